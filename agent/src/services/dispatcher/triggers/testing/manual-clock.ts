/** A clock that the test sets. */
import type { Clock } from '../source.ts'

export class ManualClock implements Clock {
  #now: number
  readonly #waiting = new Map<symbol, { ms: number; run: () => void }>()

  constructor(now: number) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  at(ms: number, run: () => void): () => void {
    const key = Symbol()
    this.#waiting.set(key, { ms, run })
    if (ms <= this.#now) queueMicrotask(() => this.#runDue())
    return () => void this.#waiting.delete(key)
  }

  /** Stands still at each time that somebody waits for. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const next = Math.min(...[...this.#waiting.values()].map(each => each.ms))
      if (next > end) break
      this.#now = Math.max(this.#now, next)
      this.#runDue()
    }
    this.#now = end
  }

  /** Nobody notices until the new time: the machine slept. */
  jump(ms: number): void {
    this.#now += ms
    this.#runDue()
  }

  #runDue(): void {
    for (const [key, { ms, run }] of this.#waiting) {
      if (ms > this.#now) continue
      this.#waiting.delete(key)
      run()
    }
  }
}
