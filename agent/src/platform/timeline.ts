/**
 * When each step of the start began and ended, in milliseconds since the process began: which wait for each other, and
 * which run side by side. The agent's log has it once the platform is ready.
 */
interface Step {
  name: string
  fromMs: number
  toMs: number
}

export class Timeline {
  readonly #now: () => number
  readonly #steps: Step[] = []

  /** @param now milliseconds since the process began */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** In the order in which they ended; those that failed too. */
  get steps(): readonly Step[] {
    return this.#steps
  }

  async measure<T>(name: string, work: () => Promise<T>): Promise<T> {
    const fromMs = Math.round(this.#now())
    try {
      return await work()
    } finally {
      this.#steps.push({ name, fromMs, toMs: Math.round(this.#now()) })
    }
  }
}
