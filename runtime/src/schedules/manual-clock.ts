/**
 * A time that can be set forward: of a function under test (its deadlines, its schedules, the documents it writes), and
 * of the schedules of a platform that was started with a clock of tests.
 */
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import type { Clock } from '../serve/instance.ts'

export interface TestClockOptions {
  /** Where it begins; from then on it stands still unless it is advanced. Default: it runs, from now on. */
  readonly at?: Date | string | number
  /** How far ahead of the real time it begins if it runs, in milliseconds. Default: 0. */
  readonly aheadMs?: number
  /**
   * How long `advance` waits for the calls that a time has set off before it goes on to the next, in milliseconds of
   * real time. Default: 100.
   */
  readonly patienceMs?: number
}

interface Due {
  readonly at: number
  readonly run: () => void
  /** Keeps the process from ending until it has come. */
  readonly isAwaited: boolean
  cancelReal: () => void
}

/** Turns of the event loop in which what a timer set off can go on. */
const TURNS = 3
/** The longest time that a timer of Node can wait. */
const LONGEST_MS = 2 ** 31 - 1
const PATIENCE_MS = 100
const PATIENCE_STEPS = 50

export class TestClock implements Clock {
  readonly #due = new Set<Due>()
  /** What a time has set off, and what the next times depend on. */
  readonly #running = new Set<Promise<void>>()
  readonly #isStill: boolean
  readonly #patienceMs: number
  /** What is added to the real time, or the time itself if it stands still. */
  #offset: number

  constructor({ at, aheadMs = 0, patienceMs = PATIENCE_MS }: TestClockOptions = {}) {
    this.#isStill = at !== undefined
    this.#patienceMs = patienceMs
    this.#offset = at === undefined ? Date.now() - performance.now() + aheadMs : new Date(at).getTime()
    if (Number.isNaN(this.#offset)) throw new TypeError(`${String(at)} is not a time`)
  }

  /** Milliseconds since 1970. */
  now(): number {
    return this.#isStill ? this.#offset : this.#offset + performance.now()
  }

  /**
   * Sets it forward. What is due by then runs, in its order, each at its time. A call of a schedule that takes longer
   * than `patienceMs` of real time is still running when the next time comes.
   */
  async advance(ms: number): Promise<void> {
    const target = this.#after(ms)
    for (let due = this.#next(target); due !== undefined; due = this.#next(target)) {
      this.#set(Math.max(due.at, this.now()))
      this.#due.delete(due)
      due.cancelReal()
      due.run()
      await this.#settle()
    }
    this.#set(Math.max(target, this.now()))
    await this.#settle()
  }

  /**
   * Sets it forward as when the machine was asleep: nothing runs at its time, and what is due by then runs at the end.
   * A schedule does what it says in `missed`.
   */
  async sleep(ms: number): Promise<void> {
    this.#set(this.#after(ms))
    await this.advance(0)
  }

  after(ms: number, run: () => void): () => void {
    return this.#add({ at: this.now() + ms, run, isAwaited: true, cancelReal: () => {} })
  }

  /** As `after`, at a time; it holds no process. */
  at(ms: number, run: () => void): () => void {
    return this.#add({ at: ms, run, isAwaited: false, cancelReal: () => {} })
  }

  /** The clock is not advanced further until this is done, or seems to wait for something. */
  hold(running: Promise<void>): void {
    const held = running.finally(() => this.#running.delete(held))
    this.#running.add(held)
  }

  #after(ms: number): number {
    if (!(ms >= 0)) throw new RangeError(`A clock cannot be advanced by ${ms} ms`)
    return this.now() + ms
  }

  #add(due: Due): () => void {
    this.#due.add(due)
    this.#wait(due)
    return () => {
      this.#due.delete(due)
      due.cancelReal()
    }
  }

  #next(target: number): Due | undefined {
    const due = [...this.#due].filter(({ at }) => at <= target)
    return due.sort((one, other) => one.at - other.at)[0]
  }

  #set(now: number): void {
    this.#offset += now - this.now()
    for (const due of this.#due) {
      due.cancelReal()
      this.#wait(due)
    }
  }

  #wait(due: Due): void {
    if (this.#isStill) return
    const left = Math.max(0, due.at - this.now())
    const come = () => {
      if (left > LONGEST_MS) return this.#wait(due)
      this.#due.delete(due)
      due.run()
    }
    const timer = setTimeout(come, Math.min(left, LONGEST_MS))
    if (!due.isAwaited) timer.unref()
    due.cancelReal = () => clearTimeout(timer)
  }

  async #settle(): Promise<void> {
    await settle()
    if (this.#running.size === 0) return
    let isOver = false
    const all = Promise.allSettled(this.#running).then(() => void (isOver = true))
    // One after another: what a busy machine holds up gets its turns before it counts as still running.
    for (let step = 0; step < PATIENCE_STEPS && !isOver; step += 1) {
      await Promise.race([all, pause(this.#patienceMs / PATIENCE_STEPS)])
    }
    // It is waited for once: it may be the test that it waits for.
    if (!isOver) this.#running.clear()
    await settle()
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn += 1) await nextTurn()
}
