/** A function's pacing on the clock: it learns from verdicts, and says when a pause is over. */
import { Pacing } from './pacing.ts'
import type { Verdict } from '../runner/verdict.ts'

export interface PaceOptions {
  backoffMs: number
  /** A pause has ended. */
  onResume: () => void
}

export class Pace {
  private readonly pacing: Pacing
  private readonly onResume: () => void
  private resume: NodeJS.Timeout | undefined

  /** @param share most at once. */
  constructor(share: number, { backoffMs, onResume }: PaceOptions) {
    this.pacing = new Pacing(share, { backoffMs })
    this.onResume = onResume
  }

  get all(): number {
    return this.pacing.all
  }

  set all(share: number) {
    this.pacing.all = share
  }

  /** How many more may run. */
  free(running: number): number {
    return this.pacing.free(running, performance.now())
  }

  /** @param running the one that ended included. @returns milliseconds to wait for one whose function did not run. */
  attemptEnded(verdict: Verdict, running: number): number {
    switch (verdict.kind) {
      case 'unavailable':
        return this.pause()
      case 'overloaded':
        return this.pacing.overloaded(running)
      case 'succeeded':
      case 'failed':
      case 'retry':
        this.pacing.ran()
        return 0
    }
  }

  stop(): void {
    clearTimeout(this.resume)
  }

  private pause(): number {
    const pauseMs = this.pacing.unavailable(performance.now())
    clearTimeout(this.resume)
    this.resume = setTimeout(() => {
      this.pacing.resume()
      this.onResume()
    }, Math.ceil(pauseMs))
    return pauseMs
  }
}
