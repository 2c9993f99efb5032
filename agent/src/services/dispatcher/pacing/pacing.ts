/**
 * How many calls of one function may run here at once, now: all its share, fewer while its instances refuse work, none
 * for a moment after nobody was there.
 *
 * Why: the queue is the better place to wait. Pulled all the same, a hundred thousand calls would each be refused in
 * turn, and each cost two states.
 */
const MOST_DOUBLINGS = 3
/** Share of a slot that each run that was not refused gives back: a refusal is risked once in ten runs. */
const RECOVERY = 0.1

export class Pacing {
  private readonly backoffMs: number
  private share: number
  private limit: number
  private failures = 0
  private pausedUntil = 0

  /** @param share most at once. */
  constructor(share: number, options: { backoffMs: number }) {
    this.share = share
    this.limit = share
    this.backoffMs = options.backoffMs
  }

  get all(): number {
    return this.share
  }

  set all(share: number) {
    this.share = share
    this.limit = share
  }

  free(running: number, now: number): number {
    return now < this.pausedUntil ? 0 : Math.max(0, Math.floor(this.limit) - running)
  }

  /** It ran, however that ended. */
  ran(): void {
    this.failures = 0
    this.limit = Math.min(this.share, this.limit + RECOVERY)
  }

  /** @returns milliseconds for which nothing is to be begun. */
  unavailable(now: number): number {
    // Those that were under way together are one failure.
    if (now >= this.pausedUntil) {
      this.pausedUntil = now + this.backoffMs * 2 ** Math.min(this.failures, MOST_DOUBLINGS)
      this.failures += 1
    }
    return this.pausedUntil - now
  }

  /** The pause is over, whatever the clock says: timers may be early. */
  resume(): void {
    this.pausedUntil = 0
  }

  /** @param running the refused one included. @returns milliseconds for which that one is to wait. */
  overloaded(running: number): number {
    this.limit = Math.max(1, Math.min(this.limit, running - 1))
    return this.backoffMs
  }
}
