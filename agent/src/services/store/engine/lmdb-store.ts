/**
 * `DocumentStore` on LMDB. Reads are made here, writes by an executor in this thread or one of their own.
 *
 * Invariant: readers of this thread see a commit before anybody is told of it (its transaction for reading is given up
 * first; LMDB would keep the one of the last few milliseconds).
 */
import { mkdir } from 'node:fs/promises'
import { StoreError } from '../store-error.ts'
import { CommandRunner } from './command-runner.ts'
import type { Answer, Command } from './commands.ts'
import type {
  DocumentStore,
  FoundDocument,
  IndexView,
  LogBounds,
  LogEntry,
  ScanEntry,
  ScanOptions,
  TableView,
  WriteContext,
  WriteOperation,
  WriteOutcome,
} from './document-store.ts'
import { openEnvironment, type Environment } from './environment.ts'
import { InlineExecutor, type Executor, type OnCommitted } from './executor.ts'
import { Reader } from './reader.ts'
import { readState, STATE, type StateName } from './table-records.ts'
import { ThreadExecutor } from './thread-executor.ts'
import { TRIM_STEP } from './trim-log.ts'
import { Writer } from './writer.ts'

export interface LmdbStoreOptions {
  /** Folder of the environment. */
  path: string
  /** `DocumentCloudEvent.source` */
  source: string
  /** Entry of the writing thread (see `ThreadExecutorOptions`); without it this thread writes. */
  threadEntry?: URL
  /** The writing thread ended by itself. */
  onFailure?: (error: Error) => void
}

export class LmdbStore implements DocumentStore {
  private readonly environment: Environment
  private readonly reader: Reader
  private readonly executor: Executor
  private readonly listeners: Set<(last: number) => void>
  private closing: Promise<void> | undefined

  private constructor(parts: {
    environment: Environment
    reader: Reader
    executor: Executor
    listeners: Set<(last: number) => void>
  }) {
    this.environment = parts.environment
    this.reader = parts.reader
    this.executor = parts.executor
    this.listeners = parts.listeners
  }

  static async open({ path, source, threadEntry, onFailure }: LmdbStoreOptions): Promise<LmdbStore> {
    const environment = openEnvironment(path)
    const listeners = new Set<(last: number) => void>()
    const reader = new Reader(environment)
    let last = reader.lastSequence()
    const onCommitted: OnCommitted = sequence => {
      reader.refresh()
      if (sequence === last) return
      last = sequence
      for (const listener of listeners) listener(sequence)
    }
    if (threadEntry !== undefined) {
      const thread = { entry: threadEntry, path, source, onCommitted, onFailure: onFailure ?? rethrow }
      return new LmdbStore({ environment, reader, listeners, executor: await ThreadExecutor.start(thread) })
    }
    const writer = new Writer(environment, source)
    const runner = new CommandRunner(writer)
    return new LmdbStore({
      environment,
      reader,
      listeners,
      executor: new InlineExecutor({ writer, runner, onCommitted }),
    })
  }

  async write(operations: readonly WriteOperation[], context: WriteContext = {}): Promise<WriteOutcome> {
    const answer = await this.executor.execute({ type: 'write', operations, context })
    if (answer.type !== 'write') throw errorOf(answer)
    return answer.outcome
  }

  get(table: string, id: string): FoundDocument | undefined {
    return this.reader.get(table, id)
  }

  scan(options: ScanOptions): ScanEntry[] {
    return this.reader.scan(options)
  }

  snapshot(table: string): Iterable<string> & { close(): void } {
    return this.reader.snapshot(table)
  }

  tables(): TableView[] {
    return this.reader.tables()
  }

  table(name: string): TableView | undefined {
    return this.reader.table(name)
  }

  async declareIndex(table: string, field: string): Promise<IndexView> {
    const answer = await this.executor.execute({ type: 'declare-index', table, field })
    if (answer.type !== 'index') throw errorOf(answer)
    return answer.index
  }

  async dropIndex(table: string, field: string): Promise<void> {
    await this.done({ type: 'drop-index', table, field })
  }

  async dropTable(table: string): Promise<void> {
    await this.done({ type: 'drop-table', table })
  }

  logBounds(): LogBounds {
    return this.reader.logBounds()
  }

  readLog(options: { from: number; limit: number; table?: string }): { entries: LogEntry[]; through: number } {
    return this.reader.readLog(options)
  }

  event(sequence: number): LogEntry | undefined {
    return this.reader.event(sequence)
  }

  onCommit(listener: (last: number) => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  async trimLog({ before, through }: { before: string; through: number }): Promise<number> {
    let trimmed = 0
    for (;;) {
      const answer = await this.executor.execute({ type: 'trim', before, through })
      if (answer.type !== 'trimmed') throw errorOf(answer)
      trimmed += answer.events
      if (answer.events < TRIM_STEP) return trimmed
    }
  }

  /** JSON that others keep here, next to the documents. */
  readState<T>(name: StateName): T | undefined {
    return readState<T>(this.environment, name)
  }

  async saveState(name: StateName, value: unknown): Promise<void> {
    await this.done({ type: 'save-state', name, value })
  }

  /** Mark of this log. Another one (started again, restored) has another. */
  async epoch(): Promise<string> {
    const known = this.readState<string>(STATE.epoch)
    if (known !== undefined) return known
    const fresh = crypto.randomUUID()
    await this.saveState(STATE.epoch, fresh)
    return fresh
  }

  async backup(folder: string): Promise<void> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await this.environment.root.backup(folder, true)
  }

  close(): Promise<void> {
    return (this.closing ??= this.end())
  }

  private async end(): Promise<void> {
    await this.executor.close()
    this.listeners.clear()
    await this.environment.root.close()
  }

  private async done(command: Command): Promise<void> {
    const answer = await this.executor.execute(command)
    if (answer.type !== 'done') throw errorOf(answer)
  }
}

function errorOf(answer: Answer): Error {
  if (answer.type !== 'failed') return new Error(`the writer answered "${answer.type}" to something else`)
  return new StoreError(answer.code, answer.message, { details: answer.details })
}

function rethrow(error: Error): never {
  throw error
}
