/**
 * A document store as the rest of the code sees it. Each kind of store has its own folder and a row in `registry.ts`;
 * all of them pass `documentStoreContract`.
 *
 * Invariants: 1. A write that resolved is on disk. 2. The operations of one `write` happen all or not at all. 3. Each
 * change of a document and its event are written together; sequences count from 1 over all tables without gaps, and an
 * event becomes readable only after all with lower sequences. 4. Every later read sees a resolved write. 5. Versions of
 * an id grow by one with each write and continue after a deletion, as long as the log holds the event of that deletion
 * (a muted write has no event: after it, or once the event is trimmed, they start again at 1).
 */
import type { MessagePort, Transferable } from 'node:worker_threads'
import type {
  FoundDocument,
  Page,
  Query,
  WriteContext,
  WriteOperation,
  WriteOutcome,
} from '@ryo-faas/runtime/documents'

export interface IndexView {
  /** As it was declared; see `field-path.ts`. */
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

/** A table as it was at one moment. One that is never closed keeps old data from being removed. */
export interface Snapshot {
  /** JSON texts in the order of their ids, some at a time. May be read more than once. */
  documents(): AsyncIterable<readonly string[]>
  close(): void
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

export interface ChangesOptions {
  /** First sequence; what was trimmed is left out. */
  from: number
  /** Default: all tables. */
  table?: string
  /** Ends it, at once if it waits. */
  signal: AbortSignal
}

/** What readers of the log need. */
export interface ChangeLog {
  logBounds(): Promise<LogBounds>
  /** Events in their order, some at a time, never many large ones; waits for new ones without end. */
  changes(options: ChangesOptions): AsyncIterable<readonly LogEntry[]>
}

/** Leaves the thread of its store: plain data, and what has to be transferred along with it. */
export interface SharedLog {
  handle: LogHandle
  transfer: Transferable[]
}

export interface LogHandle {
  /** Of the store; see `registry.ts`. */
  kind: string
}

/** Readers that keep their position in the log with the store. */
export type LogReader = 'relay'

export interface DocumentStore extends ChangeLog {
  /** @throws StoreError STORAGE_FULL, STORAGE_FAILED (nothing was written), BUSY, SHUTTING_DOWN */
  write(operations: readonly WriteOperation[], context?: WriteContext): Promise<WriteOutcome>
  /** At once if it can: this is what most requests ask. */
  get(table: string, id: string): FoundDocument | undefined | Promise<FoundDocument | undefined>
  /**
   * One page. Paging meets every document that matches from the first page to the last exactly once, and whatever is
   * written in between at most once (one whose order changes meanwhile may come twice or not at all).
   * @throws StoreError INVALID_CURSOR; the signal's reason
   */
  query(query: Query, signal?: AbortSignal): Promise<Page>
  snapshot(table: string): Promise<Snapshot>

  tables(): Promise<TableView[]>
  table(name: string): Promise<TableView | undefined>
  /** Makes the table if there is none. Resolves once it is declared; it may still be building. */
  declareIndex(table: string, field: string): Promise<IndexView>
  /** @throws StoreError TABLE_NOT_FOUND, INDEX_NOT_FOUND */
  dropIndex(table: string, field: string): Promise<void>
  /** Removes the table and its documents at once and without events. @throws StoreError TABLE_NOT_FOUND */
  dropTable(table: string): Promise<void>

  event(sequence: number): Promise<LogEntry | undefined>
  /** Removes events that are older than `before` (ISO time) and not above `through`; returns how many. */
  trimLog(options: { before: string; through: number }): Promise<number>
  /** Mark of this log. Another one (started again, restored) has another. */
  epoch(): Promise<string>
  /** JSON that a reader of the log keeps here. */
  checkpoint(reader: LogReader): Promise<unknown>
  saveCheckpoint(reader: LogReader, value: unknown): Promise<void>

  /** For a reader in another thread; where it is missing, readers run in the thread of the store. */
  shareLog?(): SharedLog
  /** A consistent copy of everything, written while the store works. */
  backup?(kind: BackupKind): Promise<Backup>
  /** Finishes what was written; later calls fail with SHUTTING_DOWN. */
  close(): Promise<void>
}

export interface BackupKind {
  /** A temporary one is the caller's to remove. */
  place: 'kept' | 'temporary'
  /** `new`: the copy begins a new epoch, for a restore beside a stream of events that has gone on. */
  log: 'same' | 'new'
}

export interface Backup {
  /** Its folder. */
  path: string
  bytes: number
  /** Of the last event in it. */
  sequence: number
}

export interface OpenOptions {
  dataFolder: string
  /** URL of the database, for kinds that are kept in one. May hold a password. */
  database?: string
  /** `DocumentCloudEvent.source` */
  source: string
  /** Module of the store's threads: it passes their `workerData` to `runStoreThread`. Without it there are none. */
  threadEntry?: URL
  /** It ended on its own: no more writes are possible. */
  onFailure?: (error: Error) => void
}

/** How stores of a kind are created: a row of `registry.ts`. */
export interface StoreKind {
  kind: string
  open(options: OpenOptions): Promise<DocumentStore>
  /** What `shareLog` gave away, in the other thread. */
  openLog?(handle: LogHandle): OpenLog
  /** The work of a thread of its own. */
  runThread?(port: MessagePort, data: StoreThread): void
  /** Puts a backup in the place of the data. @returns where the data is now that was there before */
  restore?(dataFolder: string, from: string): Promise<string | undefined>
}

export interface OpenLog extends ChangeLog {
  close(): Promise<void>
}

/** `workerData` of a thread of a store. */
export interface StoreThread {
  role: 'store'
  kind: string
}
