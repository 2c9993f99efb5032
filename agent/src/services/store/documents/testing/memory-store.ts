/** A document store in memory, as small as the contract lets it be: it shows that there is room for a second kind. */
import type { StoredDocument } from '@ryo-faas/runtime/protocol'
import { z } from 'zod'
import { GrowingUlids } from '../../../../host/index.ts'
import { StoreError } from '../../store-error.ts'
import {
  type ChangesOptions,
  CommitNews,
  compareValues,
  type DocumentStore,
  eventText,
  type FieldPath,
  followLog,
  type FoundDocument,
  type IndexView,
  type LogBounds,
  type LogEntry,
  type LogPiece,
  type LogReader,
  matches,
  type Page,
  parseFieldPath,
  planWrites,
  type Query,
  readCursor,
  readVersion,
  type Snapshot,
  type TableView,
  timeOfEvent,
  valueAt,
  type WriteContext,
  type WriteOperation,
  type WriteOutcome,
  writeCursor,
} from '../index.ts'

/** What is kept when the store is closed and opened again. */
export class MemoryData {
  readonly tables = new Map<string, Table>()
  readonly log: LogEntry[] = []
  readonly checkpoints = new Map<LogReader, string>()
  readonly epoch = crypto.randomUUID()
  sequence = 0
}

interface Table {
  documents: Map<string, string>
  /** Version and event of a deletion. */
  deleted: Map<string, { version: number; sequence: number }>
  indexes: Map<string, 'building' | 'ready'>
}

/** Id of a document, and the value by which it is ordered if there is one. */
const Place = z.tuple([z.string()]).rest(z.unknown())
const READ_LENGTH = 4 * 1024 * 1024
const PAGE_LENGTH = 8 * 1024 * 1024

export class MemoryStore implements DocumentStore {
  readonly #data: MemoryData
  readonly #news: CommitNews
  readonly #ids = new GrowingUlids()
  #isClosed = false

  constructor(data = new MemoryData()) {
    this.#data = data
    this.#news = new CommitNews(data.sequence)
    this.#build()
  }

  async write(operations: readonly WriteOperation[], context: WriteContext = {}): Promise<WriteOutcome> {
    this.#checkOpen()
    const now = new Date().toISOString()
    const plan = planWrites(operations, {
      now,
      nextId: () => this.#ids.next(),
      placeOf: (name, id) => {
        const table = this.#data.tables.get(name)
        return table && { table, id }
      },
      document: ({ table, id }) => table.documents.get(id),
      lastVersion: ({ table, id }) => table.deleted.get(id)?.version ?? 0,
    })
    if (plan.kind === 'refused') return plan
    const written = plan.changes.map(({ kind, table: name, id, version, before, after }) => {
      const table = this.#ensured(name)
      table.deleted.delete(id)
      if (after === undefined) table.documents.delete(id)
      else table.documents.set(id, after)
      if (context.isMuted !== true) {
        const sequence = ++this.#data.sequence
        const { depth = 0, traceparent, tracestate, baggage } = context
        const event = { sequence, source: '/memory', kind, table: name, id, version, time: now, depth }
        this.#data.log.push({ sequence, text: eventText(event, { traceparent, tracestate, baggage, before, after }) })
        if (after === undefined) table.deleted.set(id, { version, sequence })
      }
      return { change: kind, id, version, document: after ?? '' }
    })
    this.#news.tell(this.#data.sequence)
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
    const entries = this.#texts(query.table)
      .map(text => ({ text, document: JSON.parse(text) as StoredDocument }))
      .filter(({ document }) => matches(document, query.conditions))
      .map(({ text, document }): Entry => ({ text, id: document.id, value: valueAt(document, field) }))
      .sort(compare)
    const place = readCursor(query, Place)
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

  async snapshot(table: string): Promise<Snapshot> {
    const texts = this.#texts(table).sort((one, other) => compareValues(idOf(one), idOf(other)))
    return {
      async *documents() {
        yield texts
      },
      close: () => undefined,
    }
  }

  async tables(): Promise<TableView[]> {
    return [...this.#data.tables].map(([name, table]) => viewOf(name, table))
  }

  async table(name: string): Promise<TableView | undefined> {
    const table = this.#data.tables.get(name)
    return table && viewOf(name, table)
  }

  async declareIndex(name: string, field: string): Promise<IndexView> {
    this.#checkOpen()
    const table = this.#ensured(name)
    const { path } = parseFieldPath(field)
    if (!table.indexes.has(path)) table.indexes.set(path, table.documents.size === 0 ? 'ready' : 'building')
    setImmediate(() => this.#build())
    return viewOf(name, table).indexes.find(index => index.field === path)!
  }

  async dropIndex(name: string, field: string): Promise<void> {
    const { path } = parseFieldPath(field)
    if (!this.#existing(name).indexes.delete(path)) throw new StoreError('INDEX_NOT_FOUND', `no index on ${path}`)
  }

  async dropTable(name: string): Promise<void> {
    this.#existing(name)
    this.#data.tables.delete(name)
  }

  async logBounds(): Promise<LogBounds> {
    const { log, sequence } = this.#data
    return { first: log[0]?.sequence ?? sequence + 1, last: sequence }
  }

  async event(sequence: number): Promise<LogEntry | undefined> {
    return this.#data.log.find(entry => entry.sequence === sequence)
  }

  changes(options: ChangesOptions): AsyncIterable<readonly LogEntry[]> {
    const newsAbove = (sequence: number, signal: AbortSignal) => this.#news.above(sequence, signal)
    return followLog({ read: piece => this.#read(piece), newsAbove }, options)
  }

  async trimLog({ before, through }: { before: string; through: number }): Promise<number> {
    const { log, tables } = this.#data
    const kept = log.findIndex(({ sequence, text }) => sequence > through || timeOfEvent(text) >= before)
    const trimmed = log.splice(0, kept < 0 ? log.length : kept)
    const last = trimmed.at(-1)?.sequence ?? 0
    for (const { deleted } of tables.values()) {
      for (const [id, { sequence }] of deleted) if (sequence <= last) deleted.delete(id)
    }
    return trimmed.length
  }

  async epoch(): Promise<string> {
    return this.#data.epoch
  }

  async checkpoint(reader: LogReader): Promise<unknown> {
    const text = this.#data.checkpoints.get(reader)
    return text === undefined ? undefined : JSON.parse(text)
  }

  async saveCheckpoint(reader: LogReader, value: unknown): Promise<void> {
    this.#checkOpen()
    this.#data.checkpoints.set(reader, JSON.stringify(value))
  }

  async close(): Promise<void> {
    this.#isClosed = true
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new StoreError('SHUTTING_DOWN', 'the store is closed')
  }

  /** There is nothing to build: entries are sorted when they are asked for. */
  #build(): void {
    for (const { indexes } of this.#data.tables.values()) {
      if (!this.#isClosed) for (const field of indexes.keys()) indexes.set(field, 'ready')
    }
  }

  #texts(table: string): string[] {
    return [...(this.#data.tables.get(table)?.documents.values() ?? [])]
  }

  #ensured(name: string): Table {
    const known = this.#data.tables.get(name)
    if (known !== undefined) return known
    const table: Table = { documents: new Map(), deleted: new Map(), indexes: new Map() }
    this.#data.tables.set(name, table)
    return table
  }

  #existing(name: string): Table {
    const table = this.#data.tables.get(name)
    if (table === undefined) throw new StoreError('TABLE_NOT_FOUND', `there is no table ${JSON.stringify(name)}`)
    return table
  }

  #read({ from, limit, table }: { from: number; limit: number; table?: string }): LogPiece {
    const piece: LogPiece = { entries: [], through: from - 1 }
    let length = 0
    for (const entry of this.#data.log) {
      if (entry.sequence < from) continue
      if (piece.entries.length >= limit || length >= READ_LENGTH) break
      piece.through = entry.sequence
      if (table !== undefined && tableOf(entry) !== table) continue
      piece.entries.push(entry)
      length += entry.text.length
    }
    return piece
  }
}

interface Entry {
  text: string
  id: string
  value: unknown
}

function viewOf(table: string, { documents, indexes }: Table): TableView {
  return {
    table,
    documents: documents.size,
    indexes: [...indexes].map(([field, state]) => ({
      ...{ field, state },
      documents: state === 'ready' ? documents.size : 0,
    })),
  }
}

function idOf(text: string): string {
  return (JSON.parse(text) as StoredDocument).id
}

function tableOf({ text }: LogEntry): string {
  return (JSON.parse(text) as { data: { table: string } }).data.table
}
