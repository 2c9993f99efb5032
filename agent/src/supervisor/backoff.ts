/**
 * How long to wait before starting again what keeps dying: at once the first time, then doubling from `firstMs` to
 * `maxMs`. A life of at least `healthyMs` clears the record. Time comes from outside, in
 * milliseconds, of a clock that is never set.
 */
export class Backoff {
  readonly #bounds: { firstMs: number; maxMs: number; healthyMs: number }
  #deaths = 0
  #lastStart = -Infinity

  constructor(bounds = { firstMs: 100, maxMs: 30_000, healthyMs: 10_000 }) {
    this.#bounds = bounds
  }

  get deaths(): number {
    return this.#deaths
  }

  started(now: number): void {
    this.#lastStart = now
  }

  died(now: number): void {
    this.#deaths = now - this.#lastStart >= this.#bounds.healthyMs ? 1 : this.#deaths + 1
  }

  /** Earliest time of the next start. */
  nextStart(now: number): number {
    if (this.#deaths <= 1) return now
    const waitMs = Math.min(this.#bounds.maxMs, this.#bounds.firstMs * 2 ** (this.#deaths - 2))
    return Math.max(now, this.#lastStart + waitMs)
  }
}
