/**
 * Reads the shared table: whenever the entries are those that a head names, they are handed on.
 *
 * Invariants: 1. Only whole tables are handed on, and with rising generations. 2. Entries that cannot be brought together
 * with a head (some were removed while nobody read, or are not ours) are read again from the beginning, with a pause
 * that grows. 3. A stream that was made again is read from its beginning.
 */
import { backoffMs } from '../../host/index.ts'
import { OrderedReader, routesSubject, STREAMS, streamState, type Bus } from '../../bus/index.ts'
import { Entries, HEAD, Head, isMember, wholeOf } from './entries.ts'
import type { Sealer } from './sealer.ts'

const SLOTS = { free: 4_096, all: 4_096 }
const AGAIN = { firstMs: 250, mostMs: 30_000 }
const LOOK_EVERY_MS = 5_000
const BUCKET = routesSubject('')

export interface ReadTable {
  head: Head
  /** Sequence of its message. */
  sequence: number
  entries: Entries
  /** Names of the entries that differ from the last table; undefined: any may. */
  changed: Set<string> | undefined
}

export interface TableReaderOptions {
  bus: Bus
  sealer: Sealer
  onTable: (table: ReadTable) => void
  /** Of a proxy that serves the table, by the name of its entry; undefined: it has left. */
  onMember?: (entry: string, text: string | undefined) => void
  /** Why entries are not understood. */
  onTrouble: (reason: string) => void
}

export class TableReader {
  readonly #options: TableReaderOptions
  readonly #look: NodeJS.Timeout
  #entries: Entries
  #changed: Set<string> | undefined
  #reader: OrderedReader | undefined
  #again: NodeJS.Timeout | undefined
  #failures = 0
  #last = 0
  #created: string | undefined
  #isClosed = false
  #ending: Promise<void> = Promise.resolve()

  constructor(options: TableReaderOptions) {
    this.#options = options
    this.#entries = new Entries(options.sealer)
    this.#look = setInterval(() => void this.#lookAfter().catch(() => undefined), LOOK_EVERY_MS).unref()
    this.#begin()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#look)
    clearTimeout(this.#again)
    await this.#ending
    await this.#reader?.stop()
  }

  #begin(): void {
    const { bus, sealer, onTrouble } = this.#options
    this.#entries = new Entries(sealer)
    this.#changed = undefined
    this.#last = 0
    const reader: OrderedReader = new OrderedReader(bus, {
      stream: STREAMS.routes,
      name: 'routes',
      filters: [routesSubject('>')],
      after: 0,
      slots: () => SLOTS,
      onMessage: ({ subject, sequence, data }) => {
        if (this.#reader === reader) this.#take(subject.slice(BUCKET.length), sequence, data)
      },
      onRefused: onTrouble,
    })
    this.#reader = reader
    reader.start()
  }

  /** Invariant 2; also if what was handed on could not be used. */
  readAgain(reason: string): void {
    if (this.#again !== undefined || this.#isClosed) return
    this.#failures += 1
    if (this.#failures === 3) this.#options.onTrouble(reason)
    this.#again = setTimeout(() => this.#restart(), backoffMs(AGAIN, this.#failures, Math.random())).unref()
  }

  #restart(): void {
    this.#again = undefined
    const before = this.#reader
    this.#reader = undefined
    this.#ending = this.#ending
      .then(() => before?.stop())
      .then(
        () => void (this.#isClosed || this.#begin()),
        () => void (this.#isClosed || this.#begin()),
      )
  }

  #take(entry: string, sequence: number, data: Uint8Array): void {
    const { sealer, onMember } = this.#options
    this.#last = sequence
    const text = data.length === 0 ? undefined : sealer.open(entry, data)
    if (data.length > 0 && text === undefined) {
      // Of a platform with another key, or somebody's: the digest will not fit if it matters.
      return entry === HEAD ? this.readAgain('the routes at NATS are sealed with another key') : undefined
    }
    if (isMember(entry)) return onMember?.(entry, text)
    if (entry === HEAD) return text === undefined ? undefined : this.#takeHead(text, sequence)
    this.#entries.set(entry, text)
    this.#changed?.add(wholeOf(entry))
  }

  #takeHead(text: string, sequence: number): void {
    const head = Head.parse(JSON.parse(text))
    if (head.digest !== this.#entries.digest) return this.readAgain('the routes at NATS are not whole')
    clearTimeout(this.#again)
    this.#again = undefined
    this.#failures = 0
    const changed = this.#changed
    this.#changed = new Set()
    this.#options.onTable({ head, sequence, entries: this.#entries, changed })
  }

  /** Invariant 3. */
  async #lookAfter(): Promise<void> {
    const { bus } = this.#options
    if (!bus.isConnected || this.#reader === undefined) return
    const { created, lastSequence } = await streamState(bus, STREAMS.routes)
    const isOther = this.#created !== undefined && this.#created !== created
    this.#created = created
    if ((isOther || lastSequence < this.#last) && this.#again === undefined && !this.#isClosed) this.#restart()
  }
}
