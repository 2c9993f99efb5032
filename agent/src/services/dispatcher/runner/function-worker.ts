/**
 * The calls of one function: pulled as far as its share of the concurrency goes, run, counted.
 *
 * Invariant: a call takes a place from its delivery to the end of its attempt, as long as the function may run for it.
 * Its end is written down while the next one runs; if that takes long, no more than twice the share is on hand.
 */
import { STREAMS, subjectsOf, type Bus } from '../../../bus/index.ts'
import type { CallRunner, RunFor } from './call-runner.ts'
import type { OnEvent } from '../events.ts'
import type { DispatcherMetrics } from '../metrics.ts'
import type { DispatchedFunction, DispatcherOptions } from '../options.ts'
import { Pace } from '../pacing/pace.ts'
import { durableConsumer, Puller, type Delivery } from '../pacing/puller.ts'
import type { Turn } from '../pacing/turn.ts'

export interface FunctionWorkerDependencies {
  bus: Bus
  runner: CallRunner
  turn: Turn
  metrics: DispatcherMetrics
  options: Pick<DispatcherOptions, 'ackWaitMs' | 'dispatchers' | 'unavailableBackoffMs'>
  onEvent: OnEvent
}

/** Durable name of a function's consumer. */
export function consumerOf(route: string): string {
  return `calls-${route}`
}

export class FunctionWorker {
  private readonly of: FunctionWorkerDependencies
  private readonly puller: Puller
  private readonly pace: Pace
  private fn: DispatchedFunction
  /** Calls for which the function runs or is about to. */
  private running = 0
  /** Those and the ones whose end is being written. */
  private onHand = 0

  constructor(fn: DispatchedFunction, dependencies: FunctionWorkerDependencies) {
    const { bus, options, onEvent, turn } = dependencies
    this.fn = fn
    this.of = dependencies
    this.pace = new Pace(this.share(), { backoffMs: options.unavailableBackoffMs, onResume: () => this.puller.wake() })
    this.puller = new Puller(bus, {
      stream: STREAMS.calls,
      ensure: durableConsumer(STREAMS.calls, {
        name: consumerOf(fn.route),
        filter: subjectsOf('call', fn.route),
        ackWaitMs: options.ackWaitMs,
      }),
      turn,
      slots: () => this.slots(),
      onDelivery: delivery => void this.run(delivery),
      onRefused: reason => onEvent({ type: 'bus-refused', what: fn.route, reason }),
    })
  }

  get current(): DispatchedFunction {
    return this.fn
  }

  start(): void {
    this.puller.start()
  }

  /** Calls that run go on as they began. */
  update(fn: DispatchedFunction): void {
    this.fn = fn
    this.pace.all = this.share()
    this.puller.wake()
  }

  /** Takes no more; what runs goes on. */
  async stop(): Promise<void> {
    this.pace.stop()
    await this.puller.stop()
  }

  private share(): number {
    return Math.ceil(this.fn.async.concurrency / this.of.options.dispatchers)
  }

  private slots(): { free: number; all: number } {
    const { all } = this.pace
    return { free: Math.min(this.pace.free(this.running), 2 * all - this.onHand), all }
  }

  private async run(delivery: Delivery): Promise<void> {
    this.running += 1
    this.onHand += 1
    let holdsPlace = true
    const leave = () => {
      if (holdsPlace) this.running -= 1
      holdsPlace = false
      this.puller.wake()
    }
    try {
      await this.of.runner.run(delivery, this.runFor(leave))
    } finally {
      this.onHand -= 1
      leave()
    }
  }

  private runFor(leave: () => void): RunFor {
    const { fn } = this
    const { metrics, onEvent } = this.of
    return {
      fn,
      attemptEnded: (verdict, end, durationMs) => {
        metrics.attempt(fn.displayName, 'async', { verdict, end, durationMs })
        const waitMs = this.pace.attemptEnded(verdict, this.running)
        leave()
        return waitMs
      },
      callRetried: () => metrics.retries.inc({ faas_name: fn.displayName }),
      callDied: ({ id: callId, error }) => {
        metrics.dead.inc({ faas_name: fn.displayName })
        onEvent({ type: 'call-dead', callId, code: error?.code ?? '', message: error?.message ?? '' })
      },
    }
  }
}
