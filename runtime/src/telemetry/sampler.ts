/**
 * Which traces are recorded. Who sends a trace context has decided already (its `sampled` flag is followed); of the
 * traces that begin here the first `perSecond` of every second are recorded, and of the others a share of `ratio`. So
 * on a laptop every call is seen, and under load the cost is bounded.
 */
export interface SamplerOptions {
  /** Traces that begin here and are recorded, each second. */
  perSecond: number
  /** Share of those beyond, 0 to 1. */
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
