/** A dispatcher as a part of the platform: how it is started, found ready, and told what is deployed. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { TracingSettings } from '@ryo-faas/runtime/telemetry'
import type { AccessKeys } from '../../access/index.ts'
import { readIfPresent, writeDurably } from '../../host/index.ts'
import { ProcessPart, type Part } from '../../supervisor/index.ts'
import { FunctionsFile, type DispatcherInput, type MainOptions } from './options.ts'

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
  /** This one counts from 1; `of` share the work. */
  number: number
  of: number
}

/** What a call leaves behind is short-lived: a smaller nursery saves a third of the process's memory, and costs little. */
export const DISPATCHER_NODE_ARGS: readonly string[] = ['--max-semi-space-size=8']

const ReadyFile = z.object({ port: z.int() })
const DRAIN_MS = 10_000
/** A drain that breaks off what runs still has to give it back. */
const GRACE_MS = DRAIN_MS + 5_000

export function dispatcherPart(options: DispatcherPartOptions): Part {
  const name = options.number === 1 ? 'dispatcher' : `dispatcher-${options.number}`
  const paths = dispatcherPaths(options.home, name)
  return new ProcessPart({
    name,
    home: options.home,
    command: options.nodePath,
    args: [...DISPATCHER_NODE_ARGS, options.entry, paths.options],
    env: options.environment,
    graceMs: GRACE_MS,
    beforeStart: async () => {
      await rm(paths.ready, { force: true })
      const settings: z.input<typeof MainOptions> = {
        nats: options.nats(),
        proxyUrl: options.proxyUrl(),
        access: options.access,
        functionsFile: paths.functions,
        callback: options.callback(),
        resultLimitBytes: options.resultLimitBytes,
        dispatchers: options.of,
        number: options.number,
        storeUrl: options.storeUrl(),
        drainMs: DRAIN_MS,
        readyFile: paths.ready,
        traces: options.traces(),
      }
      await writeDurably(paths.options, JSON.stringify(settings))
    },
    probe: async () => {
      const text = await readIfPresent(paths.ready)
      return text === undefined ? undefined : `127.0.0.1:${ReadyFile.parse(JSON.parse(text)).port}`
    },
  })
}

export function dispatcherPaths(home: string, name = 'dispatcher') {
  const folder = join(home, 'run')
  return {
    options: join(folder, `${name}-options.json`),
    functions: join(folder, 'functions.json'),
    ready: join(folder, `${name}.ready`),
  }
}

/** Tells all dispatchers of this home what is deployed; they take it over at once. */
export async function writeFunctions(
  home: string,
  functions: z.input<typeof FunctionsFile>['functions'],
): Promise<void> {
  await writeDurably(dispatcherPaths(home).functions, JSON.stringify(FunctionsFile.parse({ functions })))
}
