/**
 * The time of schedules: this machine's, or that of a clock of tests, as the table of routes says.
 *
 * Invariants: 1. A clock of tests that is new to this process is where it was set, without going there: what came
 * before counts as missed. 2. Settings are followed one after another; `state` tells which one was reached.
 */
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises'
import { TestClock } from '@ryo-faas/runtime/schedules'
import type { TableClock } from '../../routes/index.ts'
import type { ClockState } from './dispatcher-control.ts'
import { SYSTEM_CLOCK, type Clock } from './triggers/index.ts'

/** For calls that a time has set off, among them a cold start. */
const PATIENCE_MS = 2_000
/** For triggers that have just been deployed. */
const READY_MS = 5_000

export class ScheduleClock implements Clock {
  #clock: Clock = SYSTEM_CLOCK
  /** The newest. */
  #setting: TableClock | undefined
  #reached: ClockState = {}
  #following: Promise<void> = Promise.resolve()

  now(): number {
    return this.#clock.now()
  }

  at(ms: number, run: () => void): () => void {
    if (ms > this.now()) return this.#clock.at(ms, run)
    // One that stands still would wait with it.
    const soon = setImmediate(run)
    return () => clearImmediate(soon)
  }

  hold(running: Promise<void>): void {
    this.#clock.hold?.(running)
  }

  get state(): ClockState {
    return this.#reached
  }

  /** Before the triggers of the same table are applied. @param ready resolves once those run */
  follow(setting: TableClock | undefined, ready: () => Promise<void>): void {
    const before = this.#setting
    this.#setting = setting
    if (setting === undefined) {
      this.#clock = SYSTEM_CLOCK
      this.#reached = {}
    } else if (setting.id !== before?.id) {
      // Schedules start over with a new clock: nothing waits on the old one for long.
      const { kind, ms } = setting
      this.#clock = new TestClock({ patienceMs: PATIENCE_MS, ...(kind === 'still' ? { at: ms } : { aheadMs: ms }) })
      this.#reached = setting
    } else if (setting.serial > before.serial) {
      const clock = this.#clock as TestClock
      this.#following = this.#following.then(async () => {
        await Promise.race([ready(), delay(READY_MS, undefined, { ref: false })])
        // What they wait for first is known a turn later.
        await nextTurn()
        const byMs = Math.max(0, setting.ms - before.ms)
        await (setting.passes ? clock.advance(byMs) : clock.sleep(byMs))
        if (this.#clock === clock) this.#reached = setting
      })
    }
  }
}
