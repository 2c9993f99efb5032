/** `DocumentStore` on PostgreSQL. Several processes may have it open; see `writer.ts` for who writes when. */
import pg from 'pg'
import { type DocumentStore, followLog, type OpenOptions } from '../documents/index.ts'
import { Background } from './background.ts'
import { declareIndex, dropIndex, dropTable, saveState, TRIM_STEP, trimLog } from './commands.ts'
import { connect, placeOf } from './database.ts'
import { databaseProblem, explainStart } from './faults.ts'
import { migrate } from './migrations.ts'
import { News } from './news.ts'
import { QueryPool } from './query/query-pool.ts'
import { runQuery } from './query/run-query.ts'
import { Reader } from './reader.ts'
import { Writer } from './writer.ts'

/** @throws an error with code BAD_DATABASE that says what to do */
export async function openPostgresStore({
  database,
  source,
}: OpenOptions & { database: string }): Promise<DocumentStore> {
  await prepare(database)
  const reader = new Reader(database)
  const { last } = await reader.logBounds()
  const news = new News(database, last)
  const writer = new Writer({ url: database, source, onCommitted: sequence => news.tell(sequence) })
  const background = new Background(database, writer)
  const pool = new QueryPool(database)
  background.poke()

  const log = { read: reader.readLog.bind(reader), newsAbove: news.above.bind(news) }
  const querySource = { tableOf: reader.tableOf.bind(reader), rows: pool.rows.bind(pool) }
  let closing: Promise<void> | undefined
  const close = async () => {
    await writer.close()
    await background.close()
    await Promise.all([news.close(), reader.close(), pool.close()])
  }
  return {
    write: (operations, context = {}) => writer.write(operations, context),
    get: (table, id) => reader.get(table, id),
    query: (query, signal) => runQuery(querySource, query, signal),
    snapshot: table => reader.snapshot(table),
    tables: () => reader.tables(),
    table: name => reader.table(name),
    declareIndex: async (table, field) => {
      const view = await writer.alone(client => declareIndex(client, table, field))
      if (view.state === 'building') background.poke()
      return view
    },
    dropIndex: async (table, field) => {
      await writer.alone(client => dropIndex(client, table, field))
      background.poke()
    },
    dropTable: async table => {
      await writer.alone(client => dropTable(client, table))
      background.poke()
    },
    logBounds: () => reader.logBounds(),
    event: sequence => reader.event(sequence),
    changes: options => followLog(log, options),
    trimLog: async options => {
      for (let trimmed = 0; ;) {
        const events = await writer.alone(client => trimLog(client, options))
        trimmed += events
        if (events < TRIM_STEP) return trimmed
      }
    },
    epoch: () => reader.origin(),
    checkpoint: name => reader.state(name),
    saveCheckpoint: (name, value) => writer.alone(client => saveState(client, name, value)),
    close: () => (closing ??= close()),
  }
}

/** Makes the schema if it is not there, and refuses what would not work. */
async function prepare(url: string): Promise<void> {
  let place: string
  try {
    place = placeOf(url)
  } catch (error) {
    throw databaseProblem('--store is not a URL of a PostgreSQL database: postgres://user@host:5432/name', error)
  }
  try {
    const client = await connect({ url })
    try {
      await check(client)
      await migrate(client)
    } finally {
      await client.end()
    }
  } catch (error) {
    throw explainStart(error, place)
  }
}

async function check(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ encoding: string; version: string; standby: boolean }>(
    `SELECT current_setting('server_encoding') AS encoding, current_setting('server_version_num') AS version,
     pg_is_in_recovery() AS standby`,
  )
  const { encoding, version, standby } = rows[0]!
  if (encoding !== 'UTF8') {
    throw databaseProblem(
      `the database has the encoding ${encoding}, and documents are Unicode: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0`,
    )
  }
  if (Number(version) < OLDEST) throw databaseProblem(`PostgreSQL ${version} is too old: 14 or later is needed`)
  if (standby) throw databaseProblem('this is a standby, which cannot be written to: name the primary in --store')
}

const OLDEST = 140_000
