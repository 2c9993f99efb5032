/**
 * How many calls of one function may run here at once, now: all its share, fewer while its instances refuse work, none
 * for a moment after nobody was there. It learns from verdicts, and says when a pause is over.
 *
 * Why: the queue is the better place to wait. Pulled all the same, a hundred thousand calls would each be refused in
 * turn, and each cost two states.
 */
import type { Verdict } from '../../../calls/index.ts'
import { backoffMs } from '../../../host/index.ts'

/** The longest pause, in first ones. */
const MOST_PAUSES = 8
/** Share of a slot that each run that was not refused gives back: a refusal is risked once in ten runs. */
const RECOVERY = 0.1

export interface PacingOptions {
  /** The first pause. */
  backoffMs: number
  /** A pause has ended. */
  onResume: () => void
}

export class Pacing {
  readonly #options: PacingOptions
  #share: number
  #limit: number
  #failures = 0
  #pausedUntil = 0
  #resume: NodeJS.Timeout | undefined

  /** @param share most at once. */
  constructor(share: number, options: PacingOptions) {
    this.#share = share
    this.#limit = share
    this.#options = options
  }

  get share(): number {
    return this.#share
  }

  set share(share: number) {
    this.#share = share
    this.#limit = share
  }

  /** How many more may run. */
  free(running: number): number {
    return performance.now() < this.#pausedUntil ? 0 : Math.max(0, Math.floor(this.#limit) - running)
  }

  /** @param running the one that ended included. @returns milliseconds to wait for one whose function did not run. */
  attemptEnded(verdict: Verdict, running: number): number {
    switch (verdict.kind) {
      case 'unavailable':
        return this.#pause()
      case 'overloaded':
        this.#limit = Math.max(1, Math.min(this.#limit, running - 1))
        return this.#options.backoffMs
      case 'succeeded':
      case 'failed':
      case 'retry':
        this.#failures = 0
        this.#limit = Math.min(this.#share, this.#limit + RECOVERY)
        return 0
    }
  }

  stop(): void {
    clearTimeout(this.#resume)
  }

  #pause(): number {
    const now = performance.now()
    // Those that were under way together are one failure.
    if (now >= this.#pausedUntil) {
      const { backoffMs: firstMs } = this.#options
      this.#failures += 1
      this.#pausedUntil = now + backoffMs({ firstMs, mostMs: MOST_PAUSES * firstMs }, this.#failures)
    }
    const pauseMs = this.#pausedUntil - now
    clearTimeout(this.#resume)
    this.#resume = setTimeout(() => {
      // Whatever the clock says: timers may be early.
      this.#pausedUntil = 0
      this.#options.onResume()
    }, Math.ceil(pauseMs))
    return pauseMs
  }
}
