/**
 * The store's engine as the rest sees it; a server database can stand in its place. `documentStoreContract` in
 * `document-store-contract.ts` is what every implementation must pass.
 *
 * Invariants: 1. a write that resolved is on disk. 2. the operations of one `write` happen all or not at all. 3. each
 * change of a document and its event are written together; sequences count from 1 over all tables without gaps, and an
 * event becomes readable only after all with lower sequences. 4. what a resolved write did is seen by every later read.
 * 5. versions of an id grow by one with each write and go on after a deletion, as long as the log holds the event of that
 * deletion (a muted write has no event: after it, or once the event is trimmed, they start again at 1).
 */
import type { DocumentEventKind } from '@ryo-faas/runtime/protocol'
import type { StoreErrorCode } from '../store-error.ts'

/** `any`: the document must exist; a number: it must have this version; `none`: it must not exist. */
export type Precondition = 'any' | 'none' | number

/** `data` and `patch` are JSON texts. A name or id must be legal (see `names.ts`). */
export type WriteOperation =
  | { kind: 'create'; table: string; id?: string; data: string }
  | { kind: 'put'; table: string; id: string; data: string; condition?: Precondition }
  | { kind: 'patch'; table: string; id: string; patch: string; condition?: Precondition }
  | { kind: 'delete'; table: string; id: string; condition?: Precondition }
  | ImportOperation

/** Takes a document over with what it had elsewhere. Replaces one that is there. */
export interface ImportOperation {
  kind: 'import'
  table: string
  id?: string
  data: string
  version?: number
  createdAt?: string
  editedAt?: string
}

export interface WriteContext {
  /** Without events: for imports. */
  isMuted?: boolean
  /** See `DocumentCloudEvent.eventdepth`. */
  depth?: number
  traceparent?: string
  tracestate?: string
  baggage?: string
}

export interface Written {
  /** What happened to the document. */
  change: DocumentEventKind
  id: string
  version: number
  /** The document as JSON text; '' if it was deleted. */
  document: string
}

export type WriteOutcome =
  | { kind: 'written'; written: Written[] }
  /** Nothing was written: operation `index` could not be done. */
  | { kind: 'refused'; index: number; code: StoreErrorCode; message: string; version?: number }

export interface FoundDocument {
  version: number
  /** JSON text. */
  text: string
}

export interface IndexView {
  /** As it was declared; see `query/field-path.ts`. */
  field: string
  state: 'building' | 'ready'
  /** Documents that are in it; while it is being built, how many of them so far. */
  documents: number
}

export interface TableView {
  table: string
  documents: number
  indexes: IndexView[]
}

export interface LogEntry {
  sequence: number
  /** `DocumentCloudEvent` as JSON text. */
  text: string
}

export interface LogBounds {
  /** Lowest sequence that is still there; `last + 1` if the log is empty. */
  first: number
  last: number
}

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

export interface DocumentStore {
  /**
   * @throws StoreError STORAGE_FULL, STORAGE_FAILED (nothing was written), BUSY, SHUTTING_DOWN
   */
  write(operations: readonly WriteOperation[], context?: WriteContext): Promise<WriteOutcome>
  get(table: string, id: string): FoundDocument | undefined
  /** Entries of one moment; between two calls the table may change. */
  scan(options: ScanOptions): ScanEntry[]
  /** All documents of a table as they are now, in the order of their ids. */
  snapshot(table: string): Iterable<string> & { close(): void }

  tables(): TableView[]
  table(name: string): TableView | undefined
  /** Makes the table if there is none. Resolves once it is declared; it may still be building. */
  declareIndex(table: string, field: string): Promise<IndexView>
  /** @throws StoreError TABLE_NOT_FOUND, INDEX_NOT_FOUND */
  dropIndex(table: string, field: string): Promise<void>
  /** Removes the table and its documents at once and without events. @throws StoreError TABLE_NOT_FOUND */
  dropTable(table: string): Promise<void>

  logBounds(): LogBounds
  /**
   * Events with a sequence from `from` on, of one table or all; how far was looked. Fewer than `limit`, but at least one,
   * if they are large.
   */
  readLog(options: { from: number; limit: number; table?: string }): { entries: LogEntry[]; through: number }
  event(sequence: number): LogEntry | undefined
  /** Called with the last sequence after each commit that wrote events. */
  onCommit(listener: (last: number) => void): () => void
  /** Removes events that are older than `before` (ISO time) and not above `through`; answers how many. */
  trimLog(options: { before: string; through: number }): Promise<number>

  /** A consistent copy, written while the store works. @returns its folder */
  backup(folder: string): Promise<void>
  /** Finishes what was written; later calls fail with SHUTTING_DOWN. */
  close(): Promise<void>
}
