/**
 * The calls of one function: pulled up to its share of the concurrency, run, counted.
 *
 * Invariant: a call occupies a slot from its delivery to the end of its attempt, while the function may run for it.
 * Its end is written while the next one runs; if that is slow, at most twice the share is in memory.
 */
import {
  backlogOf,
  durableConsumer,
  Puller,
  STREAMS,
  subjectsOf,
  type Backlog,
  type Bus,
  type StreamDelivery,
} from '../../../bus/index.ts'
import type { OnEvent } from '../events.ts'
import type { DispatcherMetrics } from '../metrics.ts'
import type { DispatchedFunction, DispatcherOptions } from '../options.ts'
import { Pacing } from '../pacing/pacing.ts'
import type { QueueLines, WatchedQueue } from '../queues/queue-lines.ts'
import { countingOwner } from './call-owner.ts'
import type { CallRunner } from './call-runner.ts'

export interface FunctionWorkerOptions {
  bus: Bus
  runner: CallRunner
  metrics: DispatcherMetrics
  queues: QueueLines
  options: Pick<DispatcherOptions, 'ackWaitMs' | 'dispatchers' | 'unavailableBackoffMs'>
  onEvent: OnEvent
}

export class FunctionWorker {
  readonly #options: FunctionWorkerOptions
  readonly #puller: Puller
  readonly #pacing: Pacing
  readonly #queue: WatchedQueue
  #fn: DispatchedFunction
  /** Calls for which the function is running or about to. */
  #running = 0
  /** Those and the ones whose end is being written. */
  #onHand = 0

  constructor(fn: DispatchedFunction, options: FunctionWorkerOptions) {
    const { ackWaitMs, unavailableBackoffMs: backoffMs } = options.options
    this.#fn = fn
    this.#options = options
    this.#pacing = new Pacing(this.#share(), { backoffMs, onResume: () => this.#puller.wake() })
    this.#queue = options.queues.watch(fn.route, {
      backlog: () => this.#backlog(),
      isRunning: () => this.#onHand > 0,
    })
    const filter = subjectsOf('call', fn.route)
    this.#puller = new Puller(options.bus, {
      stream: STREAMS.calls,
      ensure: durableConsumer(STREAMS.calls, { name: consumerOf(fn.route), filter, ackWaitMs }),
      slots: () => this.#slots(),
      onDelivery: delivery => void this.#deliver(delivery),
      onRefused: reason => options.onEvent({ type: 'bus-refused', what: fn.route, reason }),
    })
  }

  get displayName(): string {
    return this.#fn.displayName
  }

  /**
   * How many calls of the function are accepted and not final, across all dispatchers.
   * @throws BusError
   */
  async backlog(): Promise<number> {
    const { waiting, delivered } = await this.#backlog()
    return waiting + delivered
  }

  start(): void {
    this.#puller.start()
  }

  /** Running calls are not affected. */
  update(fn: DispatchedFunction): void {
    this.#fn = fn
    this.#pacing.share = this.#share()
    this.#puller.wake()
  }

  /** Accepts no more calls; running ones continue. */
  async stop(): Promise<void> {
    this.#options.queues.unwatch(this.#queue)
    this.#pacing.stop()
    await this.#puller.stop()
  }

  #backlog(): Promise<Backlog> {
    return backlogOf(this.#options.bus, STREAMS.calls, consumerOf(this.#fn.route))
  }

  #share(): number {
    return Math.ceil(this.#fn.async.concurrency / this.#options.options.dispatchers)
  }

  #slots(): { free: number; all: number } {
    const { share } = this.#pacing
    return { free: Math.min(this.#pacing.free(this.#running), 2 * share - this.#onHand), all: share }
  }

  async #deliver(delivery: StreamDelivery): Promise<void> {
    const { metrics, onEvent, runner } = this.#options
    this.#running += 1
    this.#onHand += 1
    this.#queue.delivered(delivery)
    let holdsPlace = true
    const leave = () => {
      if (holdsPlace) this.#running -= 1
      holdsPlace = false
      this.#puller.wake()
    }
    const owner = countingOwner({
      fn: this.#fn,
      trigger: 'async',
      metrics,
      onEvent,
      waitAfter: verdict => {
        const waitMs = this.#pacing.attemptEnded(verdict, this.#running)
        leave()
        return waitMs
      },
    })
    try {
      await runner.runCall(delivery, owner)
    } finally {
      this.#onHand -= 1
      leave()
    }
  }
}

/** Durable name of a function's consumer. */
function consumerOf(route: string): string {
  return `calls-${route}`
}
