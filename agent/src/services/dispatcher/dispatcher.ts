/**
 * The dispatcher in one process: a worker for each function and trigger, one for callbacks, and the metrics of all.
 *
 * Invariants: 1. It starts without bus, proxy or agent, with its last routes, and works as soon as they are up. 2. Any
 * number of dispatchers may run; they share the queues. 3. `close` accepts no more work, finishes running calls for at
 * most `drainMs`, and gives back the rest; it may be called more than once.
 */
import { Tracing } from '@ryo-faas/runtime/telemetry'
import { connectBus, type Bus } from '../../bus/index.ts'
import { sweepBodies } from '../../calls/index.ts'
import { addTracingMetrics } from '../../observability/tracing/index.ts'
import { RouteKeeper, RouteTable, startControlServer, type RouteTableInput } from '../../routes/index.ts'
import { CallbackWorker } from './callbacks/index.ts'
import { CLOCK_PATH, QUEUES_PATH } from './dispatcher-control.ts'
import type { OnEvent } from './events.ts'
import { DispatcherMetrics } from './metrics.ts'
import { startMetricsServer } from './metrics-server.ts'
import { dispatchedFunction, DispatcherOptions, type DispatchedFunction, type DispatcherInput } from './options.ts'
import { QueueLines } from './queues/queue-lines.ts'
import { CallRunner } from './runner/call-runner.ts'
import { FunctionCaller } from './runner/function-caller.ts'
import { FunctionWorker } from './runner/function-worker.ts'
import { RunningCalls } from './runner/running-calls.ts'
import { ScheduleClock } from './schedule-clock.ts'
import { TRIGGER_SOURCES, Triggers, type TriggerSources } from './triggers/index.ts'

export interface Dispatcher {
  /** Port of the metrics server. */
  readonly port: number
  /**
   * Resolves once the routes are on disk and applied, or will be applied as soon as there is a bus.
   * @throws StaleTableError; ZodError
   */
  setRoutes(table: RouteTableInput): Promise<void>
  close(): Promise<void>
}

const SWEEP_MS = 3_600_000
/** Delay before what was interrupted is redelivered. */
const GIVE_BACK_MS = 2_000

/**
 * @param sources the source of events for each kind of trigger
 * @throws if the options are wrong; an error with code EADDRINUSE if the metrics port or the control socket is taken.
 */
export async function createDispatcher(
  input: DispatcherInput,
  onEvent: OnEvent = () => {},
  sources: TriggerSources = TRIGGER_SOURCES,
): Promise<Dispatcher> {
  const options = DispatcherOptions.parse(input)
  const stopping = new AbortController()
  let work: ConnectedDispatcher | undefined
  const metrics = new DispatcherMetrics(
    async () => (await work?.depths()) ?? new Map(),
    async () => (await work?.lags()) ?? [],
  )
  const tracing = new Tracing({ settings: options.traces, resource: { 'service.name': 'ryo-faas-dispatcher' } })
  addTracingMetrics(metrics.registry, tracing)
  const queues = new QueueLines()
  const clock = new ScheduleClock()
  const keeper = new RouteKeeper({ file: options.routesFile, serve: table => work?.apply(table) })
  await keeper.load()
  const server = await startMetricsServer({
    host: options.metricsHost,
    port: options.metricsPort,
    registry: metrics.registry,
    isReady: () => !stopping.signal.aborted && work?.isConnected === true,
  })
  const { controlPath } = options
  const control =
    controlPath === undefined
      ? undefined
      : await startControlServer(controlPath, {
          reader: keeper,
          tells: { [CLOCK_PATH]: async () => clock.state },
          streams: { [QUEUES_PATH]: write => queues.follow(write) },
        }).catch(async error => {
          await server.close()
          throw error
        })
  const started = connectBus({ ...options.nats, name: 'ryo-faas dispatcher' }, stopping.signal).then(
    bus => {
      work = new ConnectedDispatcher(bus, { options, metrics, queues, clock, tracing, onEvent, sources })
      if (keeper.current !== undefined) work.apply(keeper.current)
      onEvent({ type: 'connected' })
    },
    (error: unknown) => {
      // Stopped before there was a connection.
      if (!stopping.signal.aborted) throw error
    },
  )
  const close = async () => {
    stopping.abort()
    queues.close()
    await control?.close()
    await started
    await work?.close()
    await tracing.close()
    await server.close()
  }
  let closing: Promise<void> | undefined
  return {
    port: server.port,
    setRoutes: async table => keeper.setRoutes(RouteTable.parse(table)),
    close: () => (closing ??= close()),
  }
}

interface ConnectedOptions {
  options: DispatcherOptions
  metrics: DispatcherMetrics
  queues: QueueLines
  clock: ScheduleClock
  tracing: Tracing
  onEvent: OnEvent
  sources: TriggerSources
}

/** What exists once there is a connection. */
class ConnectedDispatcher {
  readonly #bus: Bus
  readonly #parts: ConnectedOptions
  readonly #running: RunningCalls
  readonly #caller: FunctionCaller
  readonly #runner: CallRunner
  readonly #callbacks: CallbackWorker
  readonly #workers = new Map<string, FunctionWorker>()
  readonly #triggers: Triggers
  /** Instances change far more often than functions. */
  #applied: string | undefined
  readonly #sweep: NodeJS.Timeout

  constructor(bus: Bus, parts: ConnectedOptions) {
    const { options, metrics, tracing, onEvent } = parts
    this.#bus = bus
    this.#parts = parts
    this.#running = new RunningCalls(options.ackWaitMs)
    this.#running.listen(bus)
    this.#caller = new FunctionCaller(options)
    this.#runner = new CallRunner({
      bus,
      caller: this.#caller,
      running: this.#running,
      tracing,
      limits: options,
      onEvent,
    })
    this.#triggers = new Triggers({ bus, runner: this.#runner, ...parts })
    this.#callbacks = new CallbackWorker(bus, {
      callback: options.callback,
      ackWaitMs: options.ackWaitMs,
      tracing,
      onEvent,
      onOutcome: outcome => metrics.callbacks.inc({ outcome }),
    })
    this.#callbacks.start()
    // What fails now is removed an hour later.
    this.#sweep = setInterval(() => void sweepBodies(bus).catch(() => undefined), SWEEP_MS)
  }

  get isConnected(): boolean {
    return this.#bus.isConnected
  }

  async depths(): Promise<Map<string, number>> {
    const depths = new Map<string, number>()
    await Promise.all(
      [...this.#workers.values()].map(async worker => {
        const depth = await worker.backlog().catch(() => undefined)
        // Unknown now: no value is better than a wrong one.
        if (depth !== undefined) depths.set(worker.displayName, depth)
      }),
    )
    return depths
  }

  lags(): ReturnType<Triggers['lags']> {
    return this.#triggers.lags()
  }

  async close(): Promise<void> {
    const { drainMs } = this.#parts.options
    clearInterval(this.#sweep)
    await Promise.all([this.#drainCalls(drainMs), this.#callbacks.close(drainMs)])
    await this.#triggers.close()
    this.#running.close()
    await this.#caller.close()
    // Flush the last acknowledgements.
    if (this.#bus.isConnected) await this.#bus.flush().catch(() => undefined)
    await this.#bus.close()
  }

  async #drainCalls(drainMs: number): Promise<void> {
    await Promise.all([this.#triggers.stop(), ...[...this.#workers.values()].map(worker => worker.stop())])
    if (await this.#running.waitForAll(drainMs)) return
    this.#running.abortAll('interrupted')
    await this.#running.waitForAll(GIVE_BACK_MS)
  }

  apply({ routes, clock, triggerSecrets }: RouteTable): void {
    this.#parts.clock.follow(clock, () => this.#triggers.opened())
    const functions = routes.map(dispatchedFunction)
    const text = JSON.stringify([functions, triggerSecrets])
    if (text === this.#applied) return
    this.#applied = text
    this.#applyFunctions(functions, triggerSecrets)
  }

  #applyFunctions(functions: DispatchedFunction[], secrets: RouteTable['triggerSecrets']): void {
    const routes = new Set(functions.map(({ route }) => route))
    for (const [route, worker] of this.#workers) {
      if (routes.has(route)) continue
      // Its calls wait until it is deployed again; running ones are finished.
      this.#workers.delete(route)
      void worker.stop()
    }
    for (const fn of functions) {
      const known = this.#workers.get(fn.route)
      if (known !== undefined) {
        known.update(fn)
        continue
      }
      const worker = new FunctionWorker(fn, { bus: this.#bus, runner: this.#runner, ...this.#parts })
      this.#workers.set(fn.route, worker)
      worker.start()
    }
    this.#triggers.apply(functions, secrets)
    this.#parts.onEvent({ type: 'functions', count: functions.length })
  }
}
