/**
 * When calls by the clock are made: the rules of the platform's schedules, which the test kit uses as they are.
 * Sequences are the times themselves, in milliseconds since 1970.
 *
 * Invariants: 1. A time is offered once per start. 2. Of times that have passed together, only what `missed` says is
 * offered: the last of them, the last of them if it is fresh, or each. 3. With `overlap: skip` a time that comes while a
 * call is open is not offered; it counts as seen; with `missed: all` those that were missed run one after the other.
 */
import { scheduleLabel, type ScheduleSettings, type Ticks } from './times.ts'

/** A time that passed longer ago than this counts as missed. */
const FRESH_MS = 60_000
/** More are not counted, for a figure that is only looked at. */
const MOST_COUNTED = 1_000

/** Time, which tests can set. */
export interface ScheduleClock {
  /** Milliseconds since 1970. */
  now(): number
  /**
   * Runs once, when this time has come, and at the latest a minute late if the clock was set or the machine slept.
   * @returns cancels it
   */
  at(ms: number, run: () => void): () => void
}

export interface ScheduleSink {
  /** How many more calls may be offered now, and the limit: they are equal when no call is open. */
  slots(): { free: number; all: number }
  /** @param lane calls of a lane run one after another, lanes in parallel */
  offer(call: ScheduledCall, lane: string): void
}

/** A call of the function with `POST`. */
export interface ScheduledCall {
  /** When it was due. */
  readonly at: number
  readonly path: string
  /** JSON; undefined: none. */
  readonly body: string | undefined
  /** Beyond `content-type`. */
  readonly headers: [string, string][]
}

export interface ScheduleParts {
  ticks: Ticks
  clock: ScheduleClock
  sink: ScheduleSink
  /** Everything up to this time is done. */
  seen: number
}

export class RunningSchedule {
  readonly #schedule: ScheduleSettings
  readonly #ticks: Ticks
  readonly #clock: ScheduleClock
  readonly #sink: ScheduleSink
  #seen: number
  #stopWaiting: (() => void) | undefined
  #isStopped = false

  constructor(schedule: ScheduleSettings, { ticks, clock, sink, seen }: ScheduleParts) {
    this.#schedule = schedule
    this.#ticks = ticks
    this.#clock = clock
    this.#sink = sink
    this.#seen = seen
    // Offers must not come before this has returned.
    this.#stopWaiting = clock.at(clock.now(), () => this.#offerDue())
  }

  /** Slots have become free. */
  wake(): void {
    if (!this.#isStopped) this.#offerDue()
  }

  /** How many are due and were not offered yet. */
  pending(): number {
    const { missed } = this.#schedule
    const now = this.#clock.now()
    let count = 0
    for (let at = this.#ticks.next(this.#seen); at !== undefined && at <= now; at = this.#ticks.next(at)) {
      count += 1
      if (missed !== 'all' || count === MOST_COUNTED) break
    }
    return count
  }

  /** The time up to which everything was offered. */
  get seen(): number {
    return this.#seen
  }

  stop(): void {
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
      if (this.#isWanted(due)) this.#sink.offer(this.#call(due), this.#laneOf(due))
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

  #laneOf(due: number): string {
    return this.#schedule.overlap === 'allow' ? String(due) : 'calls'
  }

  #call(at: number): ScheduledCall {
    const { body, path } = this.#schedule
    return {
      at,
      path,
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: [
        ['x-schedule', scheduleLabel(this.#schedule)],
        ['x-scheduled-at', new Date(at).toISOString()],
      ],
    }
  }
}
