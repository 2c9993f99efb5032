/** Of things that begin in order and end in any: up to where all have ended. */
export class Progress {
  readonly #open = new Set<number>()
  #last: number

  /** @param done up to there everything has ended. */
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

  /** Nothing of interest lies up to there. Only while nothing is open. */
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
