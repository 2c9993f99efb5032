/** nats-server as a part: a process on this host, or a container with its port bound to loopback. */
import { readdir, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import { RyoFaasError } from '../../contract/index.ts'
import { pauseProcess, portTaken, type Resume } from '../../host/index.ts'
import { ProcessPart, type Part } from '../../supervisor/index.ts'
import { natsPaths, writeNatsConfig } from './nats-config.ts'

/** NATS, which can be made to stand still while its files are copied. */
export interface NatsPart extends Part {
  /** @throws RyoFaasError NATS_UNAVAILABLE */
  pause(): Promise<Resume>
}

export interface NatsPartOptions {
  home: string
  path: string
  environment: NodeJS.ProcessEnv
  /** Asked before every start, so that a restarted server takes the port it had. */
  port: () => number
  isSynced: boolean
}

export function natsProcess(options: NatsPartOptions): NatsPart {
  const paths = natsPaths(options.home)
  const part = new ProcessPart({
    name: 'nats',
    home: options.home,
    command: options.path,
    args: ['-c', paths.config],
    env: options.environment,
    note: `${noteOf(options)}, ${options.path}`,
    graceMs: 10_000,
    beforeStart: () =>
      writeNatsConfig(options.home, {
        ...{ host: '127.0.0.1', port: options.port(), isSynced: options.isSynced },
        ...{ data: paths.data, ports: paths.ports },
      }),
    probe: async () => {
      const address = await addressFromPortsFile(paths.ports)
      return address !== undefined && (await greets(address)) ? address : undefined
    },
    explainExit: async log => (/address already in use/.test(log) ? portTaken('NATS', options.port()) : undefined),
  })
  const pause = async () => {
    const identity = await part.identity()
    if (identity === undefined) throw new RyoFaasError('NATS_UNAVAILABLE', 'NATS is not running')
    return pauseProcess(identity)
  }
  return Object.assign(part, { pause })
}

/** What people are told. */
export function noteOf({ isSynced }: { isSynced: boolean }): string {
  return `JetStream on disk${isSynced ? ', synced per message' : ''}`
}

const PortsFile = z.object({ nats: z.array(z.string()).min(1) })

/** The server writes `nats-server_<pid>.ports` once it listens (option ports_file_dir). */
async function addressFromPortsFile(folder: string): Promise<string | undefined> {
  const name = (await readdir(folder).catch(() => [])).find(file => file.endsWith('.ports'))
  if (!name) return undefined
  try {
    return new URL(PortsFile.parse(JSON.parse(await readFile(join(folder, name), 'utf8'))).nats[0]!).host
  } catch {
    return undefined // Half written: asked again soon.
  }
}

/** Whether a NATS server says hello there: its first line begins with INFO (NATS client protocol). */
export function greets(address: string): Promise<boolean> {
  const [host, port] = address.split(':') as [string, string]
  return new Promise(resolve => {
    const socket = connect({ host, port: Number(port), timeout: 1000 })
    const finish = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket
      .once('data', data => finish(data.toString('latin1').startsWith('INFO ')))
      .once('error', () => finish(false))
      .once('timeout', () => finish(false))
      .once('close', () => finish(false))
  })
}
