/**
 * What was started, so that it can be let go or ended, the last first. Invariants:
 *
 * 1. What outlives the agent is added before it starts: what failed halfway is taken back like what runs.
 * 2. Each is closed once, also if it cannot be ended.
 */
export interface StartedThing {
  /** Lets go of it: what outlives the agent goes on. */
  close?(): void | Promise<void>
  /** Ends what would outlive the agent, before it is closed; resolves to the names of what ended. */
  end?(prune: boolean): Promise<string[]>
}

export class Started {
  readonly #things: StartedThing[] = []

  add(...things: StartedThing[]): void {
    this.#things.push(...things)
  }

  async close(): Promise<void> {
    for (let thing = this.#things.pop(); thing; thing = this.#things.pop()) await thing.close?.()
  }

  /** Stops at the first thing that cannot be ended, with its error: what it stands on has to stay. */
  async end(prune: boolean): Promise<string[]> {
    const names: string[] = []
    for (let thing = this.#things.pop(); thing; thing = this.#things.pop()) {
      try {
        names.push(...((await thing.end?.(prune)) ?? []))
      } finally {
        await thing.close?.()
      }
    }
    return names
  }

  /** Ends what can be ended: errors here must not hide why. */
  async takeBack(): Promise<void> {
    while (this.#things.length > 0) await this.end(false).catch(() => undefined)
  }
}
