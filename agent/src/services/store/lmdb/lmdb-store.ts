/**
 * `DocumentStore` on LMDB. Reads are made here, writes by an executor in this thread or one of their own.
 *
 * Invariant: readers of this thread see a commit before anybody is told of it (its transaction for reading is given up
 * first; LMDB would keep the one of the last few milliseconds).
 */
import {
  type Backup,
  type ChangesOptions,
  CommitNews,
  type DocumentStore,
  followLog,
  type FoundDocument,
  type IndexView,
  type LogBounds,
  type LogEntry,
  type LogReader,
  type OpenOptions,
  type Page,
  type Query,
  type SharedLog,
  type Snapshot,
  type TableView,
  type WriteContext,
  type WriteOperation,
  type WriteOutcome,
} from '../documents/index.ts'
import { StoreError } from '../store-error.ts'
import { writeBackup } from './backup.ts'
import { CommandRunner } from './command-runner.ts'
import type { Answer, Command } from './commands.ts'
import { lockDataFolder, pathsIn } from './data-folder.ts'
import { type Environment, openEnvironment } from './environment.ts'
import { type Executor, InlineExecutor } from './executor.ts'
import { runQuery } from './query/run-query.ts'
import { Reader } from './reader.ts'
import { shareLog } from './shared-log.ts'
import { readState, STATE, type StateName } from './table-records.ts'
import { ThreadExecutor } from './thread-executor.ts'
import { TRIM_STEP } from './trim-log.ts'
import { Writer } from './writer.ts'

interface Parts {
  dataFolder: string
  environment: Environment
  reader: Reader
  news: CommitNews
  executor: Executor
  unlock: () => Promise<void>
}

export class LmdbStore implements DocumentStore {
  readonly #parts: Parts
  readonly #reader: Reader
  readonly #executor: Executor
  #closing: Promise<void> | undefined

  private constructor(parts: Parts) {
    this.#parts = parts
    this.#reader = parts.reader
    this.#executor = parts.executor
  }

  /** @throws an error with code DATA_IN_USE */
  static async open(options: OpenOptions): Promise<LmdbStore> {
    const { dataFolder } = options
    const unlock = await lockDataFolder(dataFolder)
    try {
      const environment = openEnvironment(pathsIn(dataFolder).environment)
      const reader = new Reader(environment)
      const news = new CommitNews(reader.lastSequence())
      const onCommitted = (sequence: number) => {
        reader.refresh()
        news.tell(sequence)
      }
      const executor = await startExecutor(options, environment, onCommitted)
      return new LmdbStore({ dataFolder, environment, reader, news, executor, unlock })
    } catch (error) {
      await unlock()
      throw error
    }
  }

  async write(operations: readonly WriteOperation[], context: WriteContext = {}): Promise<WriteOutcome> {
    const answer = await this.#executor.execute({ type: 'write', operations, context })
    if (answer.type !== 'write') throw errorOf(answer)
    return answer.outcome
  }

  get(table: string, id: string): FoundDocument | undefined {
    return this.#reader.get(table, id)
  }

  query(query: Query, signal?: AbortSignal): Promise<Page> {
    return runQuery(this.#reader, query, signal)
  }

  async snapshot(table: string): Promise<Snapshot> {
    return this.#reader.snapshot(table)
  }

  async tables(): Promise<TableView[]> {
    return this.#reader.tables()
  }

  async table(name: string): Promise<TableView | undefined> {
    return this.#reader.table(name)
  }

  async declareIndex(table: string, field: string): Promise<IndexView> {
    const answer = await this.#executor.execute({ type: 'declare-index', table, field })
    if (answer.type !== 'index') throw errorOf(answer)
    return answer.index
  }

  async dropIndex(table: string, field: string): Promise<void> {
    await this.#done({ type: 'drop-index', table, field })
  }

  async dropTable(table: string): Promise<void> {
    await this.#done({ type: 'drop-table', table })
  }

  async logBounds(): Promise<LogBounds> {
    return this.#reader.logBounds()
  }

  async event(sequence: number): Promise<LogEntry | undefined> {
    return this.#reader.event(sequence)
  }

  changes(options: ChangesOptions): AsyncIterable<readonly LogEntry[]> {
    const { news } = this.#parts
    return followLog(
      { read: piece => this.#reader.readLog(piece), newsAbove: (sequence, signal) => news.above(sequence, signal) },
      options,
    )
  }

  async trimLog({ before, through }: { before: string; through: number }): Promise<number> {
    let trimmed = 0
    for (;;) {
      const answer = await this.#executor.execute({ type: 'trim', before, through })
      if (answer.type !== 'trimmed') throw errorOf(answer)
      trimmed += answer.events
      if (answer.events < TRIM_STEP) return trimmed
    }
  }

  async epoch(): Promise<string> {
    const known = readState<string>(this.#parts.environment, STATE.epoch)
    if (known !== undefined) return known
    const fresh = crypto.randomUUID()
    await this.#saveState(STATE.epoch, fresh)
    return fresh
  }

  async checkpoint(reader: LogReader): Promise<unknown> {
    return readState(this.#parts.environment, reader)
  }

  async saveCheckpoint(reader: LogReader, value: unknown): Promise<void> {
    await this.#saveState(reader, value)
  }

  shareLog(): SharedLog {
    return shareLog(this.#parts.environment.path, this.#parts.news)
  }

  backup(): Promise<Backup> {
    return writeBackup(this.#parts.environment, pathsIn(this.#parts.dataFolder).backups)
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#end())
  }

  async #end(): Promise<void> {
    await this.#executor.close()
    await this.#parts.environment.root.close()
    await this.#parts.unlock()
  }

  #saveState(name: StateName, value: unknown): Promise<void> {
    return this.#done({ type: 'save-state', name, value })
  }

  async #done(command: Command): Promise<void> {
    const answer = await this.#executor.execute(command)
    if (answer.type !== 'done') throw errorOf(answer)
  }
}

async function startExecutor(
  { source, threadEntry, onFailure = rethrow }: OpenOptions,
  environment: Environment,
  onCommitted: (sequence: number) => void,
): Promise<Executor> {
  if (threadEntry !== undefined) {
    return ThreadExecutor.start({ entry: threadEntry, path: environment.path, source, onCommitted, onFailure })
  }
  const writer = new Writer(environment, source)
  return new InlineExecutor({ writer, runner: new CommandRunner(writer), onCommitted })
}

function errorOf(answer: Answer): Error {
  if (answer.type !== 'failed') return new Error(`the writer answered "${answer.type}" to something else`)
  return new StoreError(answer.code, answer.message, { details: answer.details })
}

function rethrow(error: Error): never {
  throw error
}
