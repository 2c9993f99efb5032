import type { LogLine } from './events.ts'

/**
 * How far output was seen: up to a time, and so many lines of that very time, for many lines may
 * be of the same millisecond. With it a reading that begins further back passes over what was seen.
 */
export class LogPlace {
  #time: string | undefined
  #lines = 0

  /** Nothing older needs to be read again; `undefined` if no line was seen. */
  get time(): string | undefined {
    return this.#time
  }

  advance({ time }: Pick<LogLine, 'time'>): void {
    if (this.#time === undefined || time > this.#time) {
      this.#time = time
      this.#lines = 1
    } else if (time === this.#time) this.#lines += 1
  }

  /** For a reading that begins again: tells of each of its lines, in turn, whether it was not seen up to this moment. */
  unseen(): (line: Pick<LogLine, 'time'>) => boolean {
    const until = this.#time
    let toSkip = this.#lines
    return ({ time }) => until === undefined || time > until || (time === until && toSkip-- <= 0)
  }
}
