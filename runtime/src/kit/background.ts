/** What happens after a response: triggers and asynchronous calls, one after the other, in the order they came. */
import { setImmediate as nextTurn } from 'node:timers/promises'

export class Work {
  #last: Promise<void> = Promise.resolve()
  readonly #failures: unknown[] = []

  /** @param run its rejection is kept for `settled()` */
  add(run: () => Promise<void>): void {
    // Whoever set it off goes on first, as on the platform.
    this.#last = this.#last
      .then(() => nextTurn())
      .then(run)
      .catch((error: unknown) => void this.#failures.push(error))
  }

  /** Resolves when nothing is left to do, also nothing that was added meanwhile; rejects if something failed. */
  async settled(): Promise<void> {
    for (let last = undefined as Promise<void> | undefined; last !== this.#last;) {
      last = this.#last
      await last
    }
    const failures = this.#failures.splice(0)
    if (failures.length === 1) throw failures[0]
    if (failures.length > 1) throw new AggregateError(failures, `${failures.length} triggers or calls failed`)
  }
}
