import { randomBytes } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { readIfPresent, writeDurably } from '../../host/index.ts'

export interface NatsPaths {
  config: string
  data: string
  ports: string
  credentials: string
}

export function natsPaths(home: string): NatsPaths {
  const folder = join(home, 'nats')
  return {
    config: join(folder, 'nats.conf'),
    data: join(folder, 'data'),
    ports: join(home, 'run', 'nats-ports'),
    credentials: join(folder, 'credentials.json'),
  }
}

const Credentials = z.object({ user: z.string(), password: z.string() })
export type NatsCredentials = z.infer<typeof Credentials>

/** Created once per home, kept with mode 0600. */
export async function ensureCredentials(home: string): Promise<NatsCredentials> {
  const path = natsPaths(home).credentials
  const text = await readIfPresent(path)
  if (text !== undefined) return Credentials.parse(JSON.parse(text))
  const credentials = { user: 'ryo-faas', password: randomBytes(24).toString('base64url') }
  await writeDurably(path, JSON.stringify(credentials))
  return credentials
}

export interface NatsListen {
  host: string
  /** 0: any free one, written to the ports file. */
  port: number
  /** Folders as the server sees them (inside its container, if it runs in one). */
  data: string
  ports?: string
  /** Every message waits for the disk: none is lost if the power fails. */
  isSynced: boolean
}

/**
 * Writes the configuration file: JetStream on disk, one user, loopback only. Without `sync_interval: always` the server
 * syncs every two minutes: what the system has, but the disk has not, is lost if the power fails.
 */
export async function writeNatsConfig(home: string, listen: NatsListen): Promise<void> {
  const paths = natsPaths(home)
  const { user, password } = await ensureCredentials(home)
  await mkdir(paths.data, { recursive: true, mode: 0o700 })
  await rm(paths.ports, { recursive: true, force: true })
  await mkdir(paths.ports, { recursive: true, mode: 0o700 })
  const lines = [
    `listen: "${listen.host}:${listen.port === 0 ? -1 : listen.port}"`,
    'server_name: "ryo-faas"',
    'max_payload: 1MB',
    `jetstream { store_dir: ${JSON.stringify(listen.data)}${listen.isSynced ? ', sync_interval: always' : ''} }`,
    `authorization { user: ${JSON.stringify(user)}, password: ${JSON.stringify(password)} }`,
    ...(listen.ports === undefined ? [] : [`ports_file_dir: ${JSON.stringify(listen.ports)}`]),
  ]
  await writeDurably(paths.config, lines.join('\n') + '\n')
}
