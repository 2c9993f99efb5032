/**
 * Many queues, one per key, processed in parallel: within a lane one after another, across lanes in the order
 * of arrival.
 */
export class Lanes<T> {
  readonly #waiting = new Map<string, T[]>()
  /** Lanes whose first item may be taken. */
  readonly #ready: string[] = []
  #count = 0

  /** Items that were added and not finished. */
  get size(): number {
    return this.#count
  }

  add(key: string, item: T): void {
    this.#count += 1
    const lane = this.#waiting.get(key)
    if (lane !== undefined) {
      lane.push(item)
      return
    }
    this.#waiting.set(key, [item])
    this.#ready.push(key)
  }

  /** The next item whose lane is free; its lane is taken until `finish` or `putBack`. */
  take(): { key: string; item: T } | undefined {
    const key = this.#ready.shift()
    return key === undefined ? undefined : { key, item: this.#waiting.get(key)![0]! }
  }

  /** The current item of this lane is done: the next may be taken. */
  finish(key: string): void {
    const lane = this.#waiting.get(key)!
    lane.shift()
    this.#count -= 1
    if (lane.length > 0) this.#ready.push(key)
    else this.#waiting.delete(key)
  }

  /** The current item of this lane will be taken again. */
  putBack(key: string): void {
    this.#ready.push(key)
  }
}
