/**
 * A document store in memory, as small as the contract lets it be: it shows that there is room for a second kind.
 * Its documents are those of the test kit.
 */
import { MemoryData, MemoryDocuments, type MemoryTable, StoreError } from '@ryo-faas/runtime/documents'
import type { StoredDocument } from '@ryo-faas/runtime/protocol'
import {
  type ChangesOptions,
  CommitNews,
  compareValues,
  type DocumentStore,
  followLog,
  type IndexView,
  type LogBounds,
  type LogEntry,
  type LogPiece,
  type LogReader,
  parseFieldPath,
  type Snapshot,
  type TableView,
  timeOfEvent,
  type WriteContext,
  type WriteOperation,
  type WriteOutcome,
} from '../index.ts'

/** What is kept when the store is closed and opened again. */
export class MemoryStoreData extends MemoryData {
  readonly indexes = new Map<string, Map<string, 'building' | 'ready'>>()
  readonly checkpoints = new Map<LogReader, string>()
  readonly epoch = crypto.randomUUID()
}

const READ_LENGTH = 4 * 1024 * 1024

export class MemoryStore extends MemoryDocuments implements DocumentStore {
  readonly #data: MemoryStoreData
  readonly #news: CommitNews
  #isClosed = false

  constructor(data = new MemoryStoreData()) {
    super(data)
    this.#data = data
    this.#news = new CommitNews(data.sequence)
    this.#build()
  }

  override async write(operations: readonly WriteOperation[], context?: WriteContext): Promise<WriteOutcome> {
    this.#checkOpen()
    const outcome = await super.write(operations, context)
    this.#news.tell(this.#data.sequence)
    return outcome
  }

  async snapshot(table: string): Promise<Snapshot> {
    const texts = this.texts(table).sort((one, other) => compareValues(idOf(one), idOf(other)))
    return {
      async *documents() {
        yield texts
      },
      close: () => undefined,
    }
  }

  async tables(): Promise<TableView[]> {
    return [...this.#data.tables].map(([name, table]) => this.#viewOf(name, table))
  }

  async table(name: string): Promise<TableView | undefined> {
    const table = this.#data.tables.get(name)
    return table && this.#viewOf(name, table)
  }

  async declareIndex(name: string, field: string): Promise<IndexView> {
    this.#checkOpen()
    const table = this.ensuredTable(name)
    const indexes = this.#indexesOf(name)
    const { path } = parseFieldPath(field)
    if (!indexes.has(path)) indexes.set(path, table.documents.size === 0 ? 'ready' : 'building')
    setImmediate(() => this.#build())
    return this.#viewOf(name, table).indexes.find(index => index.field === path)!
  }

  async dropIndex(name: string, field: string): Promise<void> {
    const { path } = parseFieldPath(field)
    this.#existing(name)
    if (!this.#indexesOf(name).delete(path)) throw new StoreError('INDEX_NOT_FOUND', `no index on ${path}`)
  }

  async dropTable(name: string): Promise<void> {
    this.#existing(name)
    this.#data.tables.delete(name)
    this.#data.indexes.delete(name)
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
    for (const indexes of this.#data.indexes.values()) {
      if (!this.#isClosed) for (const field of indexes.keys()) indexes.set(field, 'ready')
    }
  }

  #indexesOf(name: string): Map<string, 'building' | 'ready'> {
    const known = this.#data.indexes.get(name)
    if (known !== undefined) return known
    const indexes = new Map<string, 'building' | 'ready'>()
    this.#data.indexes.set(name, indexes)
    return indexes
  }

  #viewOf(name: string, { documents }: MemoryTable): TableView {
    return {
      table: name,
      documents: documents.size,
      indexes: [...this.#indexesOf(name)].map(([field, state]) => ({
        ...{ field, state },
        documents: state === 'ready' ? documents.size : 0,
      })),
    }
  }

  #existing(name: string): MemoryTable {
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

function idOf(text: string): string {
  return (JSON.parse(text) as StoredDocument).id
}

function tableOf({ text }: LogEntry): string {
  return (JSON.parse(text) as { data: { table: string } }).data.table
}
