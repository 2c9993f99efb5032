/**
 * `DocumentStore` on LMDB. Reads are made here, writes by an executor in this thread or one of their own.
 *
 * Invariant: readers of this thread see a commit before anybody is told of it (its transaction for reading is given up
 * first; LMDB would keep the one of the last few milliseconds).
 */
import { StoreError } from '@ryo-faas/runtime/documents'
import { CommitNews, type DocumentStore, followLog, type OpenOptions } from '../documents/index.ts'
import { writeBackup } from './backup.ts'
import { CommandRunner } from './command-runner.ts'
import type { Command, Results } from './commands.ts'
import { lockDataFolder, pathsIn } from './data-folder.ts'
import { type Environment, openEnvironment } from './environment.ts'
import { type Executor, InlineExecutor } from './executor.ts'
import { runQuery } from './query/run-query.ts'
import { Reader } from './reader.ts'
import { shareLog } from './shared-log.ts'
import { readState, STATE } from './table-records.ts'
import { ThreadExecutor } from './thread-executor.ts'
import { TRIM_STEP } from './trim-log.ts'
import { Writer } from './writer.ts'

interface Parts {
  environment: Environment
  reader: Reader
  news: CommitNews
  executor: Executor
  /** Folder of backups. */
  backups: string
  unlock: () => Promise<void>
}

/** @throws an error with code DATA_IN_USE */
export async function openLmdbStore(options: OpenOptions): Promise<DocumentStore> {
  const paths = pathsIn(options.dataFolder)
  const unlock = await lockDataFolder(options.dataFolder)
  try {
    const environment = openEnvironment(paths.environment)
    const reader = new Reader(environment)
    const news = new CommitNews(reader.lastSequence())
    const executor = await startExecutor(options, environment, sequence => {
      reader.refresh()
      news.tell(sequence)
    })
    return storeOf({ environment, reader, news, executor, backups: paths.backups, unlock })
  } catch (error) {
    await unlock()
    throw error
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

function storeOf({ environment, reader, news, executor, backups, unlock }: Parts): DocumentStore {
  const run = async <Type extends Command['type']>(command: Command & { type: Type }): Promise<Results[Type]> => {
    const answer = await executor.execute(command)
    if (answer.type === 'done') return answer.result as Results[Type]
    throw new StoreError(answer.code, answer.message, { details: answer.details })
  }
  const log = {
    read: reader.readLog.bind(reader),
    newsAbove: news.above.bind(news),
  }
  let closing: Promise<void> | undefined
  const close = async () => {
    await executor.close()
    await environment.root.close()
    await unlock()
  }
  return {
    write: (operations, context = {}) => run({ type: 'write', operations, context }),
    get: (table, id) => reader.get(table, id),
    query: (query, signal) => runQuery(reader, query, signal),
    snapshot: async table => reader.snapshot(table),
    tables: async () => reader.tables(),
    table: async name => reader.table(name),
    declareIndex: (table, field) => run({ type: 'declare-index', table, field }),
    dropIndex: (table, field) => run({ type: 'drop-index', table, field }),
    dropTable: table => run({ type: 'drop-table', table }),
    logBounds: async () => reader.logBounds(),
    event: async sequence => reader.event(sequence),
    changes: options => followLog(log, options),
    trimLog: async ({ before, through }) => {
      for (let trimmed = 0; ;) {
        const events = await run({ type: 'trim', before, through })
        trimmed += events
        if (events < TRIM_STEP) return trimmed
      }
    },
    epoch: async () => {
      const known = readState<string>(environment, STATE.epoch)
      if (known !== undefined) return known
      const fresh = crypto.randomUUID()
      await run({ type: 'save-state', name: STATE.epoch, value: fresh })
      return fresh
    },
    checkpoint: async name => readState(environment, name),
    saveCheckpoint: (name, value) => run({ type: 'save-state', name, value }),
    shareLog: () => shareLog(environment.path, news),
    backup: kind => writeBackup(environment, { backups, ...kind }),
    close: () => (closing ??= close()),
  }
}

function rethrow(error: Error): never {
  throw error
}
