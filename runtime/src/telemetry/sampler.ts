/**
 * Decides which traces are recorded. The `sampled` flag of a received trace context is followed; of the traces that
 * start here, the first `perSecond` of every second are recorded, and a fraction `ratio` of the others. So a laptop
 * records every call, and under load the cost is bounded.
 */
export interface SamplerOptions {
  /** How many traces that start here are recorded per second. */
  perSecond: number
  /** Fraction of the others, 0 to 1. */
  ratio: number
}

const SECOND_MS = 1_000

export class Sampler {
  private readonly options: SamplerOptions
  private second = 0
  private begun = 0

  constructor(options: SamplerOptions) {
    this.options = options
  }

  /** @param now milliseconds of a clock that does not go back */
  decide(now: number): boolean {
    if (now - this.second >= SECOND_MS) {
      this.second = now
      this.begun = 0
    }
    this.begun += 1
    return this.begun <= this.options.perSecond || Math.random() < this.options.ratio
  }
}
