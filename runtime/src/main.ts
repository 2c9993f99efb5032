/**
 * Entry of a function's process: the generated entry file calls `prepare`, loads the user's module, and calls `start`.
 * The only file of the runtime that knows its process: environment, signals and exit.
 *
 * 1. Loading it changes nothing: a process that waits for a function has it loaded already.
 * 2. Output is stamped from `prepare` on, so that what the user's module prints while it loads is stamped too.
 * 3. A listening instance is ready: the user's module is loaded before `start` runs.
 * 4. After that only a signal ends the process: an uncaught error costs at most one invocation.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { stampLogs } from './log-stamps.ts'
import { instanceOptions, type InstanceOptions } from './options.ts'
import { ENV } from './protocol/index.ts'
import { mapStacks } from './source-maps.ts'
import { traceClients } from './spans/traced-clients.ts'
import { traceConsole } from './spans/traced-console.ts'
import { tracedFetch } from './spans/traced-fetch.ts'
import { Tracing } from './telemetry/index.ts'
import { handlersOf, type FunctionDefinition } from './serve/function-definition.ts'
import { createFunctionServer } from './serve/function-server.ts'

export { bridgeOpenTelemetry } from './spans/otel-bridge.ts'
export { rehearse } from './serve/rehearse.ts'
export type { FunctionDefinition }

/** What the user's module is loaded into: its stacks, its output and its requests. Once. */
export function prepare(): void {
  if (process.argv[1] !== undefined) mapStacks(process.argv[1])
  globalThis.fetch = tracedFetch
  traceClients()
  if (process.env[ENV.stampLogs] === '1') {
    stampLogs(process.stdout, 'stdout')
    stampLogs(process.stderr, 'stderr')
  }
}

/** Serves the handler until SIGTERM or SIGINT; exits with 1 if that fails. */
export async function start(definition: FunctionDefinition): Promise<void> {
  try {
    if (definition.style !== 'dialect' && typeof definition.handler !== 'function')
      throw new TypeError(`${definition.name} is not an exported function`)
    const options = instanceOptions(definition.name, process.env)
    const instance = { options, tracing: tracingOf(options), ownsProcess: true }
    const { handlers, stop } = await handlersOf(definition, instance)
    const server = createFunctionServer(handlers, instance)
    const port = await server.listen()
    process.on('uncaughtException', error => server.handleStrayError(error))
    process.on('unhandledRejection', reason => server.handleStrayError(reason))
    stopOnSignals(async () => {
      await server.drain()
      await stop?.()
      await instance.tracing.close()
    })
    if (options.readyFile) announce(options.readyFile, port)
  } catch (error) {
    console.error(`${definition.name} could not start:`, error)
    process.exit(1)
  }
}

function tracingOf({ traces: settings, name, version, instance }: InstanceOptions): Tracing {
  if (settings !== undefined) traceConsole(console)
  const resource = { 'service.name': name, 'service.version': String(version), 'service.instance.id': instance }
  return new Tracing({ settings, resource })
}

/** An engine may say it twice (Swarm does): what is in flight then still ends. Whoever presses Ctrl-C again will not wait. */
function stopOnSignals(end: () => Promise<void>): void {
  let isStopping = false
  const stop = async (): Promise<void> => {
    if (isStopping) return
    isStopping = true
    await end()
    process.exit(0)
  }
  process.on('SIGTERM', () => void stop())
  process.on('SIGINT', () => {
    if (isStopping) process.exit(1)
    void stop()
  })
}

/** Renamed into place, so that the waiting process never reads half of it. */
function announce(readyFile: string, port: number): void {
  const temporary = `${readyFile}.${process.pid}.tmp`
  writeFileSync(temporary, JSON.stringify({ port, pid: process.pid }))
  renameSync(temporary, readyFile)
}
