/**
 * What happens after a response: triggers and asynchronous calls, one after the other, in the order they came; and calls
 * by the clock beside them.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'

export class Work {
  #last: Promise<void> = Promise.resolve()
  readonly #failures: unknown[] = []
  readonly #beside = new Set<Promise<void>>()

  /** @param run its rejection is kept for `settled()` */
  add(run: () => Promise<void>): void {
    // Whoever set it off goes on first, as on the platform.
    this.#last = this.#last
      .then(() => nextTurn())
      .then(run)
      .catch((error: unknown) => void this.#failures.push(error))
  }

  /** @param running its rejection is kept for `settled()` */
  beside(running: Promise<void>): void {
    const kept = running
      .catch((error: unknown) => void this.#failures.push(error))
      .finally(() => this.#beside.delete(kept))
    this.#beside.add(kept)
  }

  /** Resolves when nothing is left to do, also nothing that was added meanwhile; rejects if something failed. */
  async settled(): Promise<void> {
    for (let last = undefined as Promise<void> | undefined; last !== this.#last || this.#beside.size > 0;) {
      last = this.#last
      await Promise.all([last, ...this.#beside])
    }
    const failures = this.#failures.splice(0)
    if (failures.length === 1) throw failures[0]
    if (failures.length > 1) throw new AggregateError(failures, `${failures.length} triggers or calls failed`)
  }
}
