/** The proxy as a part of the platform: how it is started, found ready, and asked. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { z } from 'zod'
import type { TracingSettings } from '@ryo-faas/runtime/telemetry'
import type { AccessKeys } from '../../access/index.ts'
import { portTaken, readyAddress, writeDurably, type ExtraHost } from '../../host/index.ts'
import { controlPathOf, isControlledAt, prepareControlPath } from '../../routes/index.ts'
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

export function proxyPart(options: ProxyPartOptions): Part {
  const paths = proxyPaths(options.home)
  return new ProcessPart({
    name: 'proxy',
    home: options.home,
    command: options.nodePath,
    args: [options.entry, paths.options],
    env: options.environment,
    graceMs: 15_000,
    mayAdopt: () => isControlledAt(paths.options, paths.control),
    beforeStart: async () => {
      await rm(paths.ready, { force: true })
      await prepareControlPath(paths.control)
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
    probe: () => readyAddress(paths.ready, options.host),
    explainExit: async log => (/EADDRINUSE/.test(log) ? portTaken('proxy', options.port()) : undefined),
  })
}

export function proxyPaths(home: string) {
  const folder = join(home, 'run')
  return {
    options: join(folder, 'proxy-options.json'),
    routes: join(folder, 'routes.json'),
    ready: join(folder, 'proxy.ready'),
    control: controlPathOf(home, 'proxy'),
  }
}
