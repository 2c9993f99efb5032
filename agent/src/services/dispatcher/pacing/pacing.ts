/**
 * How many calls of one function may run here now: its whole share, fewer while its instances refuse work, none
 * for a moment after no instance was available. It learns from verdicts, and signals the end of a pause.
 *
 * Why: the queue is the better place to wait. If pulled anyway, a hundred thousand calls would each be refused in
 * turn, and each cost two state writes.
 */
import type { Verdict } from '../../../calls/index.ts'
import { backoffMs } from '../../../host/index.ts'

/** The longest pause, as a multiple of the first. */
const MOST_PAUSES = 8
/** Share of a slot that each run without refusal gives back: it risks a refusal once in ten runs. */
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

  /** @param share maximum at once. */
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

  /** @param running including the one that ended. @returns milliseconds to wait if the function did not run. */
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
    // Concurrent failures count as one.
    if (now >= this.#pausedUntil) {
      const { backoffMs: firstMs } = this.#options
      this.#failures += 1
      this.#pausedUntil = now + backoffMs({ firstMs, mostMs: MOST_PAUSES * firstMs }, this.#failures)
    }
    const pauseMs = this.#pausedUntil - now
    clearTimeout(this.#resume)
    this.#resume = setTimeout(() => {
      // Ignore the clock: timers may be early.
      this.#pausedUntil = 0
      this.#options.onResume()
    }, Math.ceil(pauseMs))
    return pauseMs
  }
}
