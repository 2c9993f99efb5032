/** Keeps the first entries of an order out of any number that come in no order. */
import type { ScanEntry, ScanPosition } from '../reader.ts'

type Compare = (one: ScanPosition, other: ScanPosition) => number

export class FirstOf {
  readonly #most: number
  readonly #compare: Compare
  readonly #after: ScanPosition | undefined
  /** Cut back to the first ones now and then: cheaper than to keep it sorted. */
  #entries: ScanEntry[] = []
  /** What comes behind it is of no use. */
  #bar: ScanEntry | undefined

  constructor(most: number, order: { isDescending: boolean; after: ScanPosition | undefined }) {
    this.#most = most
    this.#after = order.after
    this.#compare = order.isDescending ? (one, other) => -comparePositions(one, other) : comparePositions
  }

  offer(entry: ScanEntry): void {
    if (this.#after !== undefined && this.#compare(entry, this.#after) <= 0) return
    if (this.#bar !== undefined && this.#compare(entry, this.#bar) >= 0) return
    this.#entries.push(entry)
    if (this.#entries.length >= 2 * this.#most + 64) this.#cut()
  }

  sorted(): ScanEntry[] {
    this.#cut()
    return this.#entries
  }

  #cut(): void {
    this.#entries.sort(this.#compare)
    this.#entries.length = Math.min(this.#entries.length, this.#most)
    if (this.#entries.length === this.#most) this.#bar = this.#entries.at(-1)
  }
}

function comparePositions(one: ScanPosition, other: ScanPosition): number {
  return Buffer.compare(one.value!, other.value!) || Buffer.compare(Buffer.from(one.id), Buffer.from(other.id))
}
