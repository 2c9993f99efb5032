import type { LogLine } from './events.ts'

/**
 * How far output was read: up to a time, and how many lines of that very time, because several lines may share a
 * millisecond. A reader that starts further back uses it to skip what was already seen.
 */
export class LogPlace {
  #time: string | undefined
  #lines = 0

  /** Nothing older needs to be read again; `undefined` if no line was read yet. */
  get time(): string | undefined {
    return this.#time
  }

  advance({ time }: Pick<LogLine, 'time'>): void {
    if (this.#time === undefined || time > this.#time) {
      this.#time = time
      this.#lines = 1
    } else if (time === this.#time) this.#lines += 1
  }

  /** For reading again: a predicate that, called for each line in order, tells whether the line is new. */
  unseen(): (line: Pick<LogLine, 'time'>) => boolean {
    const until = this.#time
    let toSkip = this.#lines
    return ({ time }) => until === undefined || time > until || (time === until && toSkip-- <= 0)
  }
}
