/**
 * How long to wait before restarting what keeps dying: no wait the first time, then doubling from `firstMs` to `maxMs`.
 * The caller passes the time, in milliseconds of a monotonic clock.
 *
 * Invariant: uptime makes up for deaths. Every `forgivingMs` of it cancels one, and `healthyMs` cancels all: what dies
 * at its start is in a crash loop and waits; what was killed after serving for a while is restarted at once.
 */
import { backoffMs } from '../host/index.ts'

export class Backoff {
  readonly #bounds: { firstMs: number; maxMs: number; forgivingMs: number; healthyMs: number }
  #deaths = 0
  #lastStart = -Infinity

  constructor(bounds = { firstMs: 100, maxMs: 30_000, forgivingMs: 2_000, healthyMs: 10_000 }) {
    this.#bounds = bounds
  }

  get deaths(): number {
    return this.#deaths
  }

  started(now: number): void {
    this.#lastStart = now
  }

  died(now: number): void {
    const { forgivingMs, healthyMs } = this.#bounds
    const livedMs = now - this.#lastStart
    const forgiven = livedMs >= healthyMs ? this.#deaths : Math.floor(livedMs / forgivingMs)
    this.#deaths = Math.min(this.#most, Math.max(0, this.#deaths - forgiven)) + 1
  }

  /** Earliest time of the next start. */
  nextStart(now: number): number {
    if (this.#deaths <= 1) return now
    const { firstMs, maxMs: mostMs } = this.#bounds
    return Math.max(now, this.#lastStart + backoffMs({ firstMs, mostMs }, this.#deaths - 1))
  }

  /** Counting more deaths would not lengthen the wait, only the time until they are forgiven. */
  get #most(): number {
    return Math.ceil(Math.log2(this.#bounds.maxMs / this.#bounds.firstMs)) + 1
  }
}
