/**
 * Documents in memory, by the rules of the store. The test kit's store, and the core of the one that shows that the
 * contract of stores has room for a second kind: what it does passes that contract.
 */
import type { StoredDocument } from '../protocol/index.ts'
import { readCursor, writeCursor } from './cursor.ts'
import { type FieldPath, parseFieldPath, valueAt } from './field-path.ts'
import { planWrites } from './plan-writes.ts'
import { compareValues, matches, type Page, type Query } from './query.ts'
import { eventText, readVersion } from './texts.ts'
import { GrowingUlids } from './ulid.ts'
import type { FoundDocument, WriteContext, WriteOperation, WriteOutcome } from './writes.ts'

export interface MemoryTable {
  /** JSON texts. */
  readonly documents: Map<string, string>
  /** Version and event of a deletion. */
  readonly deleted: Map<string, { version: number; sequence: number }>
}

export interface MemoryEvent {
  readonly sequence: number
  /** `DocumentCloudEvent` as JSON text. */
  readonly text: string
}

/** What is kept when a store is closed and opened again. */
export class MemoryData {
  readonly tables = new Map<string, MemoryTable>()
  readonly log: MemoryEvent[] = []
  sequence = 0
}

export interface MemoryOptions {
  /** Milliseconds since the epoch. */
  readonly now?: () => number
  /** `DocumentCloudEvent.source` */
  readonly source?: string
}

/** Id of a document, and the value by which it is ordered if there is one. */
type Place = readonly [id: string, value?: unknown]
const PAGE_LENGTH = 8 * 1024 * 1024

export class MemoryDocuments {
  readonly #data: MemoryData
  readonly #ids = new GrowingUlids()
  readonly #now: () => number
  readonly #source: string

  constructor(data = new MemoryData(), { now = Date.now, source = '/memory' }: MemoryOptions = {}) {
    this.#data = data
    this.#now = now
    this.#source = source
  }

  async write(operations: readonly WriteOperation[], context: WriteContext = {}): Promise<WriteOutcome> {
    const ms = this.#now()
    const now = new Date(ms).toISOString()
    const plan = planWrites(operations, {
      now,
      nextId: () => this.#ids.next(ms),
      placeOf: (name, id) => {
        const table = this.#data.tables.get(name)
        return table && { table, id }
      },
      document: ({ table, id }) => table.documents.get(id),
      lastVersion: ({ table, id }) => table.deleted.get(id)?.version ?? 0,
    })
    if (plan.kind === 'refused') return plan
    const written = plan.changes.map(({ kind, table: name, id, version, before, after }) => {
      const table = this.ensuredTable(name)
      table.deleted.delete(id)
      if (after === undefined) table.documents.delete(id)
      else table.documents.set(id, after)
      if (context.isMuted !== true) {
        const sequence = ++this.#data.sequence
        const { depth = 0, traceparent, tracestate, baggage } = context
        const event = { sequence, source: this.#source, kind, table: name, id, version, time: now, depth }
        this.#data.log.push({ sequence, text: eventText(event, { traceparent, tracestate, baggage, before, after }) })
        if (after === undefined) table.deleted.set(id, { version, sequence })
      }
      return { change: kind, id, version, document: after ?? '' }
    })
    return { kind: 'written', written }
  }

  async get(table: string, id: string): Promise<FoundDocument | undefined> {
    const text = this.#data.tables.get(table)?.documents.get(id)
    return text === undefined ? undefined : { text, version: readVersion(text) }
  }

  async query(query: Query, signal?: AbortSignal): Promise<Page> {
    signal?.throwIfAborted()
    const direction = query.orderBy?.isDescending === true ? -1 : 1
    const field: FieldPath = query.orderBy?.field ?? parseFieldPath('$id')
    const compare = (one: Entry, other: Entry) =>
      direction * (compareValues(one.value, other.value) || compareValues(one.id, other.id))
    const entries = this.texts(query.table)
      .map(text => ({ text, document: JSON.parse(text) as StoredDocument }))
      .filter(({ document }) => matches(document, query.conditions))
      .map(({ text, document }): Entry => ({ text, id: document.id, value: valueAt(document, field) }))
      .sort(compare)
    const place = readCursor(query, isPlace)
    const after = place && { text: '', id: place[0], value: place[1] }
    const rest = after === undefined ? entries : entries.filter(entry => compare(entry, after) > 0)
    let length = 0
    const isRoomFor = ({ text }: Entry, at: number) =>
      at < query.limit && (at === 0 || length + text.length < PAGE_LENGTH)
    const page: Entry[] = []
    for (const entry of rest) {
      if (!isRoomFor(entry, page.length)) break
      page.push(entry)
      length += entry.text.length
    }
    const documents = page.map(({ text }) => text)
    if (page.length === rest.length) return { documents }
    const { id, value } = page.at(-1)!
    return { documents, cursor: writeCursor(query, value === undefined ? [id] : [id, value]) }
  }

  /** The documents of a table, in no particular order. */
  protected texts(table: string): string[] {
    return [...(this.#data.tables.get(table)?.documents.values() ?? [])]
  }

  protected ensuredTable(name: string): MemoryTable {
    const known = this.#data.tables.get(name)
    if (known !== undefined) return known
    const table: MemoryTable = { documents: new Map(), deleted: new Map() }
    this.#data.tables.set(name, table)
    return table
  }
}

interface Entry {
  text: string
  id: string
  value: unknown
}

function isPlace(written: readonly unknown[]): written is Place {
  return typeof written[0] === 'string'
}
