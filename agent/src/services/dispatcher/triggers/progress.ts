/** Tracks items that start in order and end in any order: up to where all have ended. */
export class Progress {
  readonly #open = new Set<number>()
  #last: number

  /** @param done everything up to here has ended. */
  constructor(done: number) {
    this.#last = done
  }

  /** @param sequence greater than all before */
  opened(sequence: number): void {
    this.#open.add(sequence)
    this.#last = sequence
  }

  ended(sequence: number): void {
    this.#open.delete(sequence)
  }

  /** There is nothing to do up to here. Only while nothing is open. */
  skipTo(sequence: number): void {
    if (this.#open.size === 0) this.#last = Math.max(this.#last, sequence)
  }

  get openCount(): number {
    return this.#open.size
  }

  get done(): number {
    // A set keeps the order of insertion: the first is the least.
    const [first] = this.#open
    return first === undefined ? this.#last : first - 1
  }
}
