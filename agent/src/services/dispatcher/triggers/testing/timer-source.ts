/** A second source, for tests: events at regular intervals of a clock that the test sets. Sequences are milliseconds. */
import { z } from 'zod'
import type { Checkpoint, RunningSource, Subscription, TriggerSink, TriggerSource } from '../source.ts'

export class ManualClock {
  now: number
  readonly #listeners = new Set<() => void>()

  constructor(now: number) {
    this.now = now
  }

  advance(ms: number): void {
    this.now += ms
    for (const listener of this.#listeners) listener()
  }

  onAdvance(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }
}

const TimerSpec = z.strictObject({ everyMs: z.int().min(1) })
type TimerSpec = z.infer<typeof TimerSpec>

export class TimerSource implements TriggerSource<TimerSpec> {
  readonly faasTrigger = 'timer'
  readonly Spec = TimerSpec
  readonly #clock: ManualClock

  constructor(clock: ManualClock) {
    this.#clock = clock
  }

  async begin({ from }: Subscription<TimerSpec>): Promise<number> {
    return from.kind === 'time' ? Date.parse(from.time) : this.#clock.now
  }

  start({ spec: { everyMs } }: Subscription<TimerSpec>, { sequence }: Checkpoint, sink: TriggerSink): RunningSource {
    const clock = this.#clock
    let last = sequence
    const offerDue = () => {
      while (last + everyMs <= clock.now && sink.slots().free > 0) {
        last += everyMs
        const at = last
        sink.offer({ sequence: at, lane: 'ticks', event: async () => tick(at) })
      }
    }
    const unfollow = clock.onAdvance(offerDue)
    offerDue()
    return {
      wake: offerDue,
      pending: async () => Math.max(0, Math.floor((clock.now - last) / everyMs)),
      stop: async () => unfollow(),
    }
  }
}

function tick(at: number) {
  const id = String(at)
  const time = new Date(at).toISOString()
  const event = { specversion: '1.0', id, source: '/ryo-faas/test/timer', type: 'ryo-faas.timer.tick', time, data: {} }
  return { id, time, body: Buffer.from(JSON.stringify(event)) }
}
