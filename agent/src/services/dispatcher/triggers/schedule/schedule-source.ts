/**
 * Calls of functions by the clock. Sequences are the times themselves, in milliseconds since 1970.
 *
 * Invariants: 1. A time is offered once per start, and its call has the same id after a crash: it runs once, whoever
 * offers it. 2. Of times that have passed together, only what `missed` says is offered: the last of them, the last of
 * them if it is fresh, or each. 3. With `overlap: skip` a time that comes while a call is open is not offered; it counts
 * as seen; with `missed: all` those that were missed run one after the other.
 */
import { z } from 'zod'
import { Schedule, scheduleLabel, ticksOf, type Ticks } from '../../../../contract/index.ts'
import type {
  Checkpoint,
  Clock,
  Occurrence,
  RunningSource,
  Subscription,
  TriggerEvent,
  TriggerSink,
  TriggerSource,
} from '../source.ts'

const ScheduleSpec = z.object({ schedule: Schedule })
type ScheduleSpec = z.infer<typeof ScheduleSpec>

/** A time that passed longer ago than this counts as missed. */
const FRESH_MS = 60_000

export class ScheduleSource implements TriggerSource<ScheduleSpec> {
  readonly faasTrigger = 'timer'
  readonly Spec = ScheduleSpec
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async begin({ from }: Subscription<ScheduleSpec>): Promise<number> {
    return from.kind === 'time' ? Date.parse(from.time) : this.#clock.now()
  }

  start({ spec, from }: Subscription<ScheduleSpec>, { epoch, sequence }: Checkpoint, sink: TriggerSink): RunningSource {
    const ticks = ticksOf(spec.schedule, from.kind === 'time' ? Date.parse(from.time) : epoch)
    return new RunningSchedule(spec.schedule, { ticks, clock: this.#clock, sink, seen: sequence })
  }
}

interface RunningOptions {
  ticks: Ticks
  clock: Clock
  sink: TriggerSink
  /** Everything up to this time is done. */
  seen: number
}

class RunningSchedule implements RunningSource {
  readonly #schedule: Schedule
  readonly #ticks: Ticks
  readonly #clock: Clock
  readonly #sink: TriggerSink
  #seen: number
  #stopWaiting: (() => void) | undefined
  #isStopped = false

  constructor(schedule: Schedule, { ticks, clock, sink, seen }: RunningOptions) {
    this.#schedule = schedule
    this.#ticks = ticks
    this.#clock = clock
    this.#sink = sink
    this.#seen = seen
    // Offers must not come before `start` has returned.
    this.#stopWaiting = clock.at(clock.now(), () => this.#offerDue())
  }

  wake(): void {
    if (!this.#isStopped) this.#offerDue()
  }

  async pending(): Promise<number> {
    const { missed } = this.#schedule
    const now = this.#clock.now()
    let count = 0
    for (let at = this.#ticks.next(this.#seen); at !== undefined && at <= now; at = this.#ticks.next(at)) {
      count += 1
      if (missed !== 'all' || count === MOST_COUNTED) break
    }
    return count
  }

  async seenUpTo(): Promise<number> {
    return this.#seen
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#stopWaiting?.()
  }

  #offerDue(): void {
    this.#stopWaiting?.()
    for (;;) {
      const due = this.#due()
      if (due === undefined) break
      // Its slot will come with `wake`.
      if (this.#sink.slots().free <= 0) return
      this.#seen = due
      if (this.#isWanted(due)) this.#sink.offer(this.#occurrence(due))
    }
    const next = this.#ticks.next(this.#seen)
    if (next !== undefined) this.#stopWaiting = this.#clock.at(next, () => this.#offerDue())
  }

  /** The next time to decide on; undefined if none has come. */
  #due(): number | undefined {
    const now = this.#clock.now()
    const next = this.#ticks.next(this.#seen)
    if (next === undefined || next > now) return undefined
    return this.#schedule.missed === 'all' ? next : Math.max(next, this.#ticks.last(now) ?? next)
  }

  #isWanted(due: number): boolean {
    const { missed, overlap } = this.#schedule
    const isFresh = due >= this.#clock.now() - FRESH_MS
    if (missed === 'skip' && !isFresh) return false
    const { free, all } = this.#sink.slots()
    return overlap !== 'skip' || free === all || (missed === 'all' && !isFresh)
  }

  #occurrence(at: number): Occurrence {
    const lane = this.#schedule.overlap === 'allow' ? String(at) : 'calls'
    return { sequence: at, lane, event: async () => this.#call(at) }
  }

  #call(at: number): TriggerEvent {
    const { body, path } = this.#schedule
    const time = new Date(at).toISOString()
    return {
      id: String(at),
      time,
      body: body === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(body)),
      headers: [
        ['x-schedule', scheduleLabel(this.#schedule)],
        ['x-scheduled-at', time],
      ],
      request: { path, ...(body !== undefined && { contentType: 'application/json' }) },
    }
  }
}

/** More are not counted, for a figure that is only looked at. */
const MOST_COUNTED = 1_000
