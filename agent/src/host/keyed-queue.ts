/** Runs tasks one after the other for each key, and concurrently for different keys. */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<unknown>>()

  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const result = (this.#tails.get(key) ?? Promise.resolve()).then(work)
    const tail = result
      .catch(() => undefined)
      .then(() => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key)
      })
    this.#tails.set(key, tail)
    return result
  }

  /** @returns undefined, at once and without running it, if something is running or queued under `key` */
  async runIfFree<T>(key: string, work: () => Promise<T>): Promise<T | undefined> {
    return this.#tails.has(key) ? undefined : this.run(key, work)
  }

  /** Resolves when the queue is empty. */
  async idle(): Promise<void> {
    while (this.#tails.size > 0) await Promise.all(this.#tails.values())
  }
}
