/** The time of a function under test: of its deadlines, and of the documents it writes. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../serve/instance.ts'

export interface TestClockOptions {
  /** Where it begins; from then on it stands still unless it is advanced. Default: it runs, from now on. */
  readonly at?: Date | string | number
}

interface Due {
  readonly at: number
  readonly run: () => void
  cancelReal: () => void
}

/** Turns of the event loop in which what a timer set off can go on. */
const TURNS = 3

export class TestClock implements Clock {
  readonly #due = new Set<Due>()
  readonly #isStill: boolean
  /** What is added to the real time, or the time itself if it stands still. */
  #offset: number

  constructor({ at }: TestClockOptions = {}) {
    this.#isStill = at !== undefined
    this.#offset = at === undefined ? performance.timeOrigin : new Date(at).getTime()
    if (Number.isNaN(this.#offset)) throw new TypeError(`${String(at)} is not a time`)
  }

  /** Milliseconds since 1970. */
  now(): number {
    return this.#isStill ? this.#offset : this.#offset + performance.now()
  }

  /** Sets it forward. What is due by then runs, in its order, each at its time. */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0)) throw new RangeError(`A clock cannot be advanced by ${ms} ms`)
    const target = this.now() + ms
    for (let due = this.#next(target); due !== undefined; due = this.#next(target)) {
      this.#set(Math.max(due.at, this.now()))
      this.#due.delete(due)
      due.cancelReal()
      due.run()
      await settle()
    }
    this.#set(Math.max(target, this.now()))
    await settle()
  }

  after(ms: number, run: () => void): () => void {
    const due: Due = { at: this.now() + ms, run, cancelReal: () => {} }
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
    const timer = setTimeout(
      () => {
        this.#due.delete(due)
        due.run()
      },
      Math.max(0, due.at - this.now()),
    )
    due.cancelReal = () => clearTimeout(timer)
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn += 1) await nextTurn()
}
