/** All that is read of the environment. Every call sees one moment, `snapshot` over its whole length. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  type FoundDocument,
  type LogBounds,
  type LogEntry,
  type LogPiece,
  readVersion,
  type Snapshot,
  type TableView,
} from '../documents/index.ts'
import type { Environment } from './environment.ts'
import { digestOf, entryOf, idOf, prefixed, sequenceKey, sequenceOf } from './keys.ts'
import {
  readState,
  readTable,
  readTables,
  STATE,
  viewOfTable,
  type Numbers,
  type TableRecord,
} from './table-records.ts'

const DIGEST_BYTES = 4
/** Of events that are read at once, whatever the limit on their number: each may hold two large documents. */
const READ_BYTES = 4 * 1024 * 1024
/** Any sequence lies below. */
const AFTER_ALL = Buffer.alloc(8, 255)
/** Documents of a snapshot that are read at once, and characters of them. */
const SNAPSHOT_DOCUMENTS = 500
const SNAPSHOT_LENGTH = 64 * 1024

export interface ScanOptions {
  table: string
  /** Use this index; otherwise documents come in the order of their ids. */
  index?: string
  /** Bounds on the bytes of the index's value (see `order-key.ts`); `to` is not part of the range. */
  from?: Uint8Array
  to?: Uint8Array
  isDescending?: boolean
  /** Go on behind this entry. */
  after?: ScanPosition
  /** Most entries. */
  limit: number
}

/** Where a scan stands: the document, and its value in the index if there is one. */
export interface ScanPosition {
  value?: Uint8Array
  id: string
}

export interface ScanEntry extends ScanPosition {
  text: string
}

export class Reader {
  readonly #environment: Environment
  /** Tables that were read since the last commit: to look one up costs as much as to read a document. */
  readonly #spaces = new Map<string, number>()

  constructor(environment: Environment) {
    this.#environment = environment
  }

  /** Gives up the transaction of reads before: the next ones see what was committed by now. */
  refresh(): void {
    this.#environment.root.resetReadTxn()
    this.#spaces.clear()
  }

  get(table: string, id: string): FoundDocument | undefined {
    const space = this.#spaceOf(table)
    const text = space === undefined ? undefined : this.#environment.documents.get(prefixed(space, id))
    return text === undefined ? undefined : { text, version: readVersion(text) }
  }

  scan(options: ScanOptions): ScanEntry[] {
    const record = this.#record(options.table)
    if (record === undefined) return []
    return options.index === undefined ? this.#scanIds(record, options) : this.#scanIndex(record, options)
  }

  snapshot(table: string): Snapshot {
    const { root, documents } = this.#environment
    const transaction = root.useReadTransaction()
    const record = this.#record(table)
    const range =
      record && documents.getRange({ start: prefixed(record.space), end: prefixed(record.space + 1), transaction })
    let isClosed = false
    return {
      async *documents() {
        let texts: string[] = []
        let length = 0
        for (const { value } of range ?? []) {
          texts.push(value)
          length += value.length
          if (texts.length < SNAPSHOT_DOCUMENTS && length < SNAPSHOT_LENGTH) continue
          yield texts
          await nextTurn()
          texts = []
          length = 0
        }
        if (texts.length > 0) yield texts
      },
      close: () => {
        if (!isClosed) transaction.done()
        isClosed = true
      },
    }
  }

  tables(): TableView[] {
    return [...readTables(this.#environment)].map(([name, record]) => viewOfTable(name, record))
  }

  table(name: string): TableView | undefined {
    const record = this.#record(name)
    return record && viewOfTable(name, record)
  }

  lastSequence(): number {
    return readState<Numbers>(this.#environment, STATE.numbers)?.sequence ?? 0
  }

  logBounds(): LogBounds {
    const last = this.lastSequence()
    const [first] = this.#environment.log.getKeys({ start: sequenceKey(0), end: AFTER_ALL, limit: 1 })
    return { first: first === undefined ? last + 1 : sequenceOf(first), last }
  }

  readLog({ from, limit, table }: { from: number; limit: number; table?: string }): LogPiece {
    const digest = table === undefined ? undefined : digestOf(table)
    const entries: LogEntry[] = []
    let through = from - 1
    let bytes = 0
    for (const { key, value } of this.#environment.log.getRange({ start: sequenceKey(from), end: AFTER_ALL, limit })) {
      through = sequenceOf(key)
      if (digest === undefined || value.readUInt32BE(0) === digest) {
        const text = value.toString('utf8', DIGEST_BYTES)
        if (table === undefined || isOfTable(text, table)) entries.push({ sequence: through, text })
        bytes += value.length
        if (bytes >= READ_BYTES) break
      }
    }
    return { entries, through }
  }

  event(sequence: number): LogEntry | undefined {
    const value = this.#environment.log.get(sequenceKey(sequence))
    return value && { sequence, text: value.toString('utf8', DIGEST_BYTES) }
  }

  #spaceOf(table: string): number | undefined {
    const known = this.#spaces.get(table)
    if (known !== undefined) return known
    const space = this.#record(table)?.space
    if (space !== undefined) this.#spaces.set(table, space)
    return space
  }

  #record(table: string): TableRecord | undefined {
    return readTable(this.#environment, table)
  }

  #scanIds({ space }: TableRecord, { after, isDescending = false, limit }: ScanOptions): ScanEntry[] {
    const [low, high] = [prefixed(space), prefixed(space + 1)]
    const range = this.#environment.documents.getRange({
      start: after ? prefixed(space, after.id) : isDescending ? high : low,
      end: isDescending ? low : high,
      exclusiveStart: true,
      reverse: isDescending,
      limit,
    })
    return [...range].map(({ key, value }) => ({ id: idOf(key), text: value }))
  }

  #scanIndex({ space, indexes }: TableRecord, options: ScanOptions): ScanEntry[] {
    const number = indexes.find(({ field }) => field === options.index)?.number
    if (number === undefined) return []
    const { from, to, after, isDescending = false, limit } = options
    const low = from ? prefixed(number, from) : prefixed(number)
    const high = to ? prefixed(number, to) : prefixed(number + 1)
    const keys = this.#environment.index.getKeys({
      start: after?.value ? prefixed(number, after.value, after.id) : isDescending ? high : low,
      end: isDescending ? low : high,
      exclusiveStart: true,
      reverse: isDescending,
      limit,
    })
    // An index and its documents change in the same transaction, so what it names is there.
    return [...keys].map(key => {
      const { value, id } = entryOf(key)
      return { value, id, text: this.#environment.documents.get(prefixed(space, id))! }
    })
  }
}

function isOfTable(text: string, table: string): boolean {
  // Table and subject come before any document, so the first one is the event's own.
  return text.includes(`,"table":${JSON.stringify(table)},`)
}
