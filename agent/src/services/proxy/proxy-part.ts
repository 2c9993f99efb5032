/** The proxy as a part of the platform: how it is started, found ready, and asked. */
import { createHash } from 'node:crypto'
import { lstat, mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { TracingSettings } from '@ryo-faas/runtime/telemetry'
import type { AccessKeys } from '../../access/index.ts'
import { RyoFaasError } from '../../contract/index.ts'
import { portTaken, readIfPresent, writeDurably, type ExtraHost } from '../../host/index.ts'
import { ProcessPart, type Part } from '../../supervisor/index.ts'
import type { MainOptions } from './options.ts'

export interface ProxyPartOptions {
  home: string
  /** Asked before every start. */
  traces: () => TracingSettings | undefined
  nodePath: string
  /** The proxy's entry module. */
  entry: string
  environment: NodeJS.ProcessEnv
  host: string
  workers: number
  /** Asked before every start: a restarted proxy takes the port it had. */
  port: () => number
  /** Addresses besides `host` on which functions reach it. */
  extraHosts: () => readonly ExtraHost[]
  /** Peers whose word on where a request comes from is taken. */
  trustProxy?: readonly string[]
  /** Who may do what. */
  access: AccessKeys
  /** What asynchronous calls need; asked before every start too. Absent: they are answered with 503. */
  asyncCalls?: () => AsyncSettings
}

export type AsyncSettings = Pick<z.input<typeof MainOptions>, 'nats' | 'asyncBodyLimitBytes' | 'callbackAllow'>

const ReadyFile = z.object({ port: z.int(), address: z.string().optional() })
/** sun_path of unix(7) holds 108 bytes, 104 on macOS. */
const LONGEST_SOCKET_PATH = 100

export function proxyPart(options: ProxyPartOptions): Part {
  const paths = proxyPaths(options.home)
  return new ProcessPart({
    name: 'proxy',
    home: options.home,
    command: options.nodePath,
    args: [options.entry, paths.options],
    env: options.environment,
    graceMs: 15_000,
    beforeStart: async () => {
      await rm(paths.ready, { force: true })
      if (dirname(paths.control) === socketFolder()) await ensureSocketFolder(socketFolder())
      const settings: z.input<typeof MainOptions> = {
        host: options.host,
        extraHosts: [...options.extraHosts()],
        port: options.port(),
        workers: options.workers,
        controlPath: paths.control,
        routesFile: paths.routes,
        readyFile: paths.ready,
        trustProxy: [...(options.trustProxy ?? [])],
        access: options.access,
        ...options.asyncCalls?.(),
        traces: options.traces(),
      }
      await writeDurably(paths.options, JSON.stringify(settings))
    },
    probe: async () => {
      const text = await readIfPresent(paths.ready)
      return text === undefined ? undefined : `${reachable(options.host)}:${ReadyFile.parse(JSON.parse(text)).port}`
    },
    explainExit: async log => (/EADDRINUSE/.test(log) ? portTaken('proxy', options.port()) : undefined),
  })
}

export function proxyPaths(home: string) {
  const folder = join(home, 'run')
  return {
    options: join(folder, 'proxy-options.json'),
    routes: join(folder, 'routes.json'),
    ready: join(folder, 'proxy.ready'),
    control: controlPath(home, join(folder, 'proxy.sock')),
  }
}

function controlPath(home: string, path: string): string {
  const digest = createHash('sha256').update(home).digest('hex').slice(0, 16)
  if (process.platform === 'win32') return `\\\\.\\pipe\\ryo-faas-proxy-${digest}`
  return Buffer.byteLength(path) <= LONGEST_SOCKET_PATH ? path : join(socketFolder(), `${digest}.sock`)
}

/** For homes whose path is too long for a socket. */
function socketFolder(): string {
  return join(process.env['XDG_RUNTIME_DIR'] ?? tmpdir(), `ryo-faas-${process.getuid?.() ?? 0}`)
}

/** @throws RyoFaasError HOME_UNUSABLE if somebody else made the folder, whose name everybody can compute */
export async function ensureSocketFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const found = await lstat(folder)
  if (found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o077) === 0) return
  throw new RyoFaasError('HOME_UNUSABLE', `${folder} belongs to another user or is open to others`, {
    hint: 'Remove it, or choose a shorter RYO_FAAS_HOME.',
  })
}

/** An address that stands for all of them is not one to call. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}
