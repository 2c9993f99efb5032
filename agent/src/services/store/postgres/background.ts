/**
 * What may take long and holds nobody up: indexes are built beside writes (CREATE INDEX CONCURRENTLY), and what dropped
 * tables left is removed piece by piece. One process does it at a time; it goes on where another was killed.
 */
import { backoffMs } from '../../../host/index.ts'
import { parseFieldPath } from '../documents/index.ts'
import { type Client, connect } from './database.ts'
import { SCHEMA, WRITE_LOCK } from './names.ts'
import { indexColumns } from './query/field-sql.ts'
import type { Writer } from './writer.ts'

const BACKGROUND_LOCK = WRITE_LOCK + 1n
const PAUSE = { firstMs: 200, mostMs: 30_000 }
const SWEPT_AT_ONCE = 5_000

export class Background {
  readonly #url: string
  readonly #writer: Writer
  readonly #closing = new AbortController()
  #working: Promise<void> | undefined
  #client: Client | undefined
  #isAsked = false

  constructor(url: string, writer: Writer) {
    this.#url = url
    this.#writer = writer
  }

  /** There may be work. */
  poke(): void {
    this.#isAsked = true
    if (this.#closing.signal.aborted) return
    this.#working ??= this.#work()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    // An index that is half built would take its time: it is built by the next who starts.
    await this.#client?.end()
    await this.#working
  }

  async #work(): Promise<void> {
    for (let failures = 0; this.#isAsked && !this.#closing.signal.aborted;) {
      this.#isAsked = false
      try {
        await this.#once()
        failures = 0
      } catch {
        failures += 1
        this.#isAsked = true
        await this.#pause(backoffMs(PAUSE, failures, Math.random()))
      }
    }
    this.#working = undefined
  }

  async #once(): Promise<void> {
    const client = await connect({ url: this.#url, settings: 'SET statement_timeout = 0; SET lock_timeout = 0' })
    this.#client = client
    try {
      if (this.#closing.signal.aborted) return
      await client.query('SELECT pg_advisory_lock($1)', [BACKGROUND_LOCK])
      await this.#removeLeftIndexes(client)
      await this.#buildIndexes(client)
      await this.#sweep(client)
      await client.query(`DELETE FROM ${SCHEMA}.writers WHERE last_at < now() - interval '30 days'`)
    } finally {
      this.#client = undefined
      await client.end().catch(() => undefined)
    }
  }

  /** Those that nobody knows any more, and those whose building was broken off. */
  async #removeLeftIndexes(client: Client): Promise<void> {
    const { rows } = await client.query<{ name: string }>(LEFT_INDEXES)
    for (const { name } of rows) await client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${SCHEMA}.${name}`)
  }

  async #buildIndexes(client: Client): Promise<void> {
    const { rows } = await client.query<{ number: number; table_number: number; field: string }>(
      `SELECT number, table_number, field FROM ${SCHEMA}.indexes WHERE NOT is_ready ORDER BY number`,
    )
    for (const { number, table_number: table, field } of rows) {
      await client.query(
        `CREATE INDEX CONCURRENTLY IF NOT EXISTS field_${number} ON ${SCHEMA}.documents
         (${indexColumns(parseFieldPath(JSON.parse(field) as string))}) WHERE table_number = ${table}`,
      )
      await this.#writer.alone(writing =>
        writing.query(`UPDATE ${SCHEMA}.indexes SET is_ready = true WHERE number = $1`, [number]),
      )
    }
  }

  async #sweep(client: Client): Promise<void> {
    const { rows } = await client.query<{ table_number: number }>(`SELECT table_number FROM ${SCHEMA}.dropped`)
    for (const { table_number: table } of rows) {
      for (const from of ['documents', 'deleted']) {
        for (let removed = SWEPT_AT_ONCE; removed === SWEPT_AT_ONCE;) {
          if (this.#closing.signal.aborted) return
          const { rowCount } = await client.query(
            `DELETE FROM ${SCHEMA}.${from} WHERE table_number = $1 AND id = ANY (ARRAY (
               SELECT id FROM ${SCHEMA}.${from} WHERE table_number = $1 ORDER BY id LIMIT ${SWEPT_AT_ONCE}))`,
            [table],
          )
          removed = rowCount ?? 0
        }
      }
      await client.query(`DELETE FROM ${SCHEMA}.dropped WHERE table_number = $1`, [table])
    }
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, ms)
      this.#closing.signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
    })
  }
}

const LEFT_INDEXES = `SELECT c.relname AS name FROM pg_index AS x JOIN pg_class AS c ON c.oid = x.indexrelid
  WHERE x.indrelid = '${SCHEMA}.documents'::regclass AND c.relname LIKE 'field\\_%'
  AND (NOT x.indisvalid OR NOT EXISTS (SELECT FROM ${SCHEMA}.indexes AS i WHERE 'field_' || i.number = c.relname))`
