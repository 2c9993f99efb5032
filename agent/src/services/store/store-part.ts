/** The store as a part of the platform: how it is started and found ready. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { z } from 'zod'
import type { TracingSettings } from '@ryo-faas/runtime/telemetry'
import type { AccessKeys } from '../../access/index.ts'
import { portTaken, readyAddress, writeDurably, type ExtraHost } from '../../host/index.ts'
import { ProcessPart, type Part } from '../../supervisor/index.ts'
import type { MainOptions } from './options.ts'

export interface StorePartOptions {
  home: string
  /** Asked before every start. */
  traces: () => TracingSettings | undefined
  nodePath: string
  /** The store's entry module. */
  entry: string
  environment: NodeJS.ProcessEnv
  project: string
  /** Default 127.0.0.1. */
  host?: string
  /** All three are asked before every start: a restarted store takes the port it had. */
  port: () => number
  /** Addresses besides `host` on which functions reach it. */
  extraHosts: () => readonly ExtraHost[]
  /** Names by which functions know it. */
  hostNames: readonly string[]
  /** Who may do what. */
  access: AccessKeys
  nats: () => NonNullable<z.input<typeof MainOptions>['nats']>
}

const GRACE_MS = 10_000

export function storePart(options: StorePartOptions): Part {
  const paths = storePartPaths(options.home)
  const host = options.host ?? '127.0.0.1'
  return new ProcessPart({
    name: 'store',
    home: options.home,
    command: options.nodePath,
    args: [options.entry, paths.options],
    env: options.environment,
    graceMs: GRACE_MS + 5_000,
    beforeStart: async () => {
      await rm(paths.ready, { force: true })
      const settings: z.input<typeof MainOptions> = {
        dataFolder: paths.data,
        project: options.project,
        host,
        extraHosts: [...options.extraHosts()],
        hostNames: [...options.hostNames],
        port: options.port(),
        nats: options.nats(),
        access: options.access,
        graceMs: GRACE_MS,
        readyFile: paths.ready,
        traces: options.traces(),
      }
      await writeDurably(paths.options, JSON.stringify(settings))
    },
    probe: () => readyAddress(paths.ready, host),
    explainExit: async log => (/EADDRINUSE/.test(log) ? portTaken('store', options.port()) : undefined),
  })
}

export function storePartPaths(home: string) {
  const folder = join(home, 'run')
  return {
    options: join(folder, 'store-options.json'),
    ready: join(folder, 'store.ready'),
    data: join(home, 'store'),
  }
}
