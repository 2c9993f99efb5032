/** A dispatcher as a part of the platform: how it is started, found ready, and reached. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { z } from 'zod'
import type { TracingSettings } from '@ryo-faas/runtime/telemetry'
import type { AccessKeys } from '../../access/index.ts'
import { readyAddress, writeDurably } from '../../host/index.ts'
import { ControlClient, controlPathOf, isControlledAt, prepareControlPath } from '../../routes/index.ts'
import { ProcessPart, type Part } from '../../supervisor/index.ts'
import type { DispatcherInput, MainOptions } from './options.ts'

export interface DispatcherPartOptions {
  home: string
  /** Asked before every start. */
  traces: () => TracingSettings | undefined
  nodePath: string
  /** The dispatcher's entry module. */
  entry: string
  environment: NodeJS.ProcessEnv
  /** These four are asked before every start. */
  nats: () => DispatcherInput['nats']
  proxyUrl: () => string
  storeUrl: () => string
  callback: () => DispatcherInput['callback']
  resultLimitBytes: number
  /** The same as the proxy's. */
  access: AccessKeys
  /** This one counts from 1. */
  number: number
  /** How many share the work. */
  dispatchers: number
}

/** What a call leaves behind is short-lived: a smaller nursery saves a third of the process's memory, and costs little. */
export const DISPATCHER_NODE_ARGS: readonly string[] = ['--max-semi-space-size=8']

/** One that hangs holds up a deployment for so long, once. */
const CONTROL_TIMEOUT_MS = 2_000
const DRAIN_MS = 10_000
/** A drain that breaks off what runs still has to give it back. */
const GRACE_MS = DRAIN_MS + 5_000

export function dispatcherPart(options: DispatcherPartOptions): Part {
  const name = nameOf(options.number)
  const paths = dispatcherPaths(options.home, options.number)
  return new ProcessPart({
    name,
    home: options.home,
    command: options.nodePath,
    args: [...DISPATCHER_NODE_ARGS, options.entry, paths.options],
    env: options.environment,
    graceMs: GRACE_MS,
    mayAdopt: () => isControlledAt(paths.options, paths.control),
    beforeStart: async () => {
      await rm(paths.ready, { force: true })
      await prepareControlPath(paths.control)
      const settings: z.input<typeof MainOptions> = {
        nats: options.nats(),
        proxyUrl: options.proxyUrl(),
        access: options.access,
        controlPath: paths.control,
        routesFile: paths.routes,
        callback: options.callback(),
        resultLimitBytes: options.resultLimitBytes,
        dispatchers: options.dispatchers,
        number: options.number,
        storeUrl: options.storeUrl(),
        drainMs: DRAIN_MS,
        readyFile: paths.ready,
        traces: options.traces(),
      }
      await writeDurably(paths.options, JSON.stringify(settings))
    },
    probe: () => readyAddress(paths.ready, '127.0.0.1'),
  })
}

/** @param number of the dispatcher, from 1 */
export function dispatcherPaths(home: string, number: number) {
  const name = nameOf(number)
  const folder = join(home, 'run')
  return {
    options: join(folder, `${name}-options.json`),
    routes: join(folder, `${name}-routes.json`),
    ready: join(folder, `${name}.ready`),
    control: controlPathOf(home, name),
  }
}

/** Takes routes for a dispatcher of this home. */
export function dispatcherControl(home: string, number: number): ControlClient {
  const { control: controlPath } = dispatcherPaths(home, number)
  return new ControlClient({ name: nameOf(number), controlPath, timeoutMs: CONTROL_TIMEOUT_MS })
}

function nameOf(number: number): 'dispatcher' | `dispatcher-${number}` {
  return number === 1 ? 'dispatcher' : `dispatcher-${number}`
}
