/** All that is read, apart from queries. Every statement sees one moment, a snapshot over its whole length. */
import type { QueryResultRow } from 'pg'
import {
  type FoundDocument,
  type LogBounds,
  type LogEntry,
  type LogPiece,
  readVersion,
  type Snapshot,
  type TableView,
} from '../documents/index.ts'
import { connect, Link } from './database.ts'
import { translateFault } from './faults.ts'
import { SCHEMA } from './names.ts'
import { LAST_SEQUENCE, LOOK_UPS } from './writer.ts'

/** Of events or documents that are read at once, whatever their number. */
const READ_BYTES = 4 * 1024 * 1024
const SNAPSHOT_DOCUMENTS = 500
/** Sequences among which those of one table are looked for at once. */
const LOG_STEP = 1_000
/** Look-ups are sent one behind the other, over so many connections. */
const LINKS = 2

export class Reader {
  readonly #url: string
  readonly #links: Link[]
  #next = 0

  constructor(url: string) {
    this.#url = url
    this.#links = Array.from({ length: LINKS }, () => new Link({ url, isPipelined: true, settings: LOOK_UPS }))
  }

  async get(table: string, id: string): Promise<FoundDocument | undefined> {
    const [row] = await this.#rows<{ text: string }>('get', GET, [table, id])
    return row && { text: row.text, version: readVersion(row.text) }
  }

  async tables(): Promise<TableView[]> {
    return viewsOf(await this.#rows<TableRow>('tables', TABLES, []))
  }

  async table(name: string): Promise<TableView | undefined> {
    return viewsOf(await this.#rows<TableRow>('table', TABLE, [name]))[0]
  }

  async tableOf(name: string): Promise<{ number: number; indexes: string[] } | undefined> {
    const [row] = await this.#rows<{ number: number; indexes: string[] }>('table-of', TABLE_OF, [name])
    return row && { number: row.number, indexes: row.indexes.map(field => JSON.parse(field) as string) }
  }

  async logBounds(): Promise<LogBounds> {
    const [row] = await this.#rows<{ first: string | null; last: string }>('bounds', BOUNDS, [])
    const last = Number(row!.last)
    return { first: row!.first === null ? last + 1 : Number(row!.first), last }
  }

  async event(sequence: number): Promise<LogEntry | undefined> {
    if (!Number.isSafeInteger(sequence)) return undefined
    const [row] = await this.#rows<{ text: string }>('event', EVENT, [sequence])
    return row && { sequence, text: row.text }
  }

  async readLog({ from, limit, table }: { from: number; limit: number; table?: string }): Promise<LogPiece> {
    const { first, last } = await this.logBounds()
    const start = Math.max(from, first)
    if (start > last) return { entries: [], through: Math.max(last, from - 1) }
    const end = Math.min(last, start + (table === undefined ? limit : LOG_STEP) - 1)
    const rows = await this.#rows<{ sequence: string; text: string; total: string }>('log', LOG, [
      ...[start, end, limit, READ_BYTES, table ?? null],
    ])
    const entries = rows.map(({ sequence, text }) => ({ sequence: Number(sequence), text }))
    const isCut = rows.length > 0 && (rows.length < Number(rows[0]!.total) || rows.length === limit)
    return { entries, through: isCut ? entries.at(-1)!.sequence : end }
  }

  async state(name: string): Promise<unknown> {
    const [row] = await this.#rows<{ value: unknown }>('state', STATE, [name])
    return row?.value
  }

  /** Marks where the database comes from: one that was restored, or a standby that took over, may have lost the end of its log. */
  async origin(): Promise<string> {
    const [row] = await this.#rows<{ origin: string }>('origin', ORIGIN, [])
    return row!.origin
  }

  async snapshot(table: string): Promise<Snapshot> {
    const client = await connect({ url: this.#url }).catch((error: unknown) => {
      throw translateFault(error)
    })
    let closing: Promise<unknown> | undefined
    const close = () => (closing ??= client.end().catch(() => undefined))
    const rows = async <Row extends QueryResultRow>(text: string, values: unknown[]) => {
      try {
        return (await client.query<Row>(text, values)).rows
      } catch (error) {
        void close()
        throw translateFault(error)
      }
    }
    await rows('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', [])
    const [found] = await rows<{ number: number }>(`SELECT number FROM ${SCHEMA}.tables WHERE name = $1`, [table])
    return {
      async *documents() {
        let after = ''
        while (found !== undefined) {
          const piece = await rows<{ id: string; text: string }>(SNAPSHOT, [found.number, after, READ_BYTES])
          if (piece.length === 0) return
          yield piece.map(({ text }) => text)
          after = piece.at(-1)!.id
        }
      },
      close: () => void close(),
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#links.map(link => link.close()))
  }

  async #rows<Row extends QueryResultRow>(name: string, text: string, values: unknown[]): Promise<Row[]> {
    this.#next = (this.#next + 1) % LINKS
    try {
      return await this.#links[this.#next]!.query<Row>({ name, text, values })
    } catch (error) {
      throw translateFault(error)
    }
  }
}

interface TableRow {
  name: string
  documents: string
  field: string | null
  is_ready: boolean | null
}

function viewsOf(rows: readonly TableRow[]): TableView[] {
  const views = new Map<string, TableView>()
  for (const { name, documents, field, is_ready: isReady } of rows) {
    const view = views.get(name) ?? { table: name, documents: Number(documents), indexes: [] }
    views.set(name, view)
    if (field === null) continue
    const state = isReady === true ? 'ready' : 'building'
    view.indexes.push({ field: JSON.parse(field) as string, state, documents: isReady === true ? view.documents : 0 })
  }
  return [...views.values()]
}

const GET = `SELECT d.text FROM ${SCHEMA}.tables AS t
  JOIN ${SCHEMA}.documents AS d ON d.table_number = t.number AND d.id = $2 WHERE t.name = $1`
const VIEWS = `SELECT t.name, t.documents, i.field, i.is_ready FROM ${SCHEMA}.tables AS t
  LEFT JOIN ${SCHEMA}.indexes AS i ON i.table_number = t.number`
const TABLES = `${VIEWS} ORDER BY t.name, i.number`
const TABLE = `${VIEWS} WHERE t.name = $1 ORDER BY i.number`
const TABLE_OF = `SELECT t.number,
  ARRAY (SELECT i.field FROM ${SCHEMA}.indexes AS i WHERE i.table_number = t.number AND i.is_ready) AS indexes
  FROM ${SCHEMA}.tables AS t WHERE t.name = $1`
const BOUNDS = `SELECT (SELECT min(sequence) FROM ${SCHEMA}.log) AS first, last.sequence AS last FROM (${LAST_SEQUENCE}) AS last`
const EVENT = `SELECT text FROM ${SCHEMA}.log WHERE sequence = $1`
const STATE = `SELECT value FROM ${SCHEMA}.state WHERE name = $1`
const LOG = `SELECT sequence, text, total FROM (
    SELECT sequence, text, sum(bytes) OVER (ORDER BY sequence) - bytes AS before, count(*) OVER () AS total FROM (
      SELECT sequence, text, octet_length(text)::bigint AS bytes FROM ${SCHEMA}.log
      WHERE sequence BETWEEN $1 AND $2 AND ($5::text IS NULL OR table_name = $5) ORDER BY sequence LIMIT $3
    ) AS piece
  ) AS sized WHERE before < $4 ORDER BY sequence`
const SNAPSHOT = `SELECT id, text FROM (
    SELECT id, text, sum(octet_length(text)::bigint) OVER (ORDER BY id) - octet_length(text) AS before FROM (
      SELECT id, text FROM ${SCHEMA}.documents WHERE table_number = $1 AND id > $2 ORDER BY id LIMIT ${SNAPSHOT_DOCUMENTS}
    ) AS piece
  ) AS sized WHERE before < $3 ORDER BY id`
/** The timeline is the beginning of every name of a file of the log. */
const ORIGIN = `SELECT md5(concat_ws(' ', (SELECT value #>> '{}' FROM ${SCHEMA}.state WHERE name = 'epoch'),
  (SELECT oid FROM pg_database WHERE datname = current_database()),
  CASE WHEN pg_is_in_recovery() THEN '' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END)) AS origin`
