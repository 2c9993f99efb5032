/** Answers a query by one statement for each page, which leaves to PostgreSQL what is looked at and in which order. */
import type { StoredDocument } from '@ryo-faas/runtime/protocol'
import { StoreError } from '@ryo-faas/runtime/documents'
import {
  type FieldPath,
  matches,
  type Page,
  parseFieldPath,
  type Query,
  readCursor,
  writeCursor,
} from '../../documents/index.ts'
import { SCHEMA } from '../names.ts'
import { conditionSql } from './condition-sql.ts'
import { fieldSql } from './field-sql.ts'

export interface QuerySource {
  /** The table's number, and fields with an index that is ready. */
  tableOf(name: string): Promise<{ number: number; indexes: readonly string[] } | undefined>
  rows<Row extends object>(text: string, values: unknown[], signal: AbortSignal | undefined): Promise<Row[]>
}

/** Of a cursor: the field by whose order the first page went, and the key and id of the last document. */
type Place = readonly [field: string, kind: number, number: number, start: string, id: string]

function isPlace(written: readonly unknown[]): written is Place {
  const [field, kind, number, start, id] = written
  if (written.length !== 5 || typeof field !== 'string' || typeof id !== 'string') return false
  return typeof kind === 'number' && typeof number === 'number' && typeof start === 'string'
}

interface Row {
  kind: number
  number: number
  start: string
  id: string
  text: string
  /** Of rows that there are, whether they fit the page or not. */
  total: string
}

/** A page ends before its limit when its documents are this long together. */
const PAGE_BYTES = 8 * 1024 * 1024
const BY_ID = '$id'

/** @throws StoreError INVALID_CURSOR; the signal's reason */
export async function runQuery(source: QuerySource, query: Query, signal?: AbortSignal): Promise<Page> {
  signal?.throwIfAborted()
  const cursor = readCursor(query, isPlace)
  const table = await source.tableOf(query.table)
  if (table === undefined) return { documents: [] }
  const order = orderOf(query, table.indexes, cursor)
  const found: Row[] = []
  let after = cursor && { kind: cursor[1], number: cursor[2], start: cursor[3], id: cursor[4] }
  for (;;) {
    const wanted = query.limit - found.length + 1
    const { text, values, isExact } = statement(query, { number: table.number, order, after, limit: wanted })
    const rows = await source.rows<Row>(text, values, signal)
    for (const row of rows) {
      if (found.length === query.limit) return pageOf(query, order, { found, isLast: false })
      if (isExact || matches(JSON.parse(row.text) as StoredDocument, query.conditions)) found.push(row)
    }
    const total = Number(rows[0]?.total ?? 0)
    const isCut = rows.length < total
    if (!isCut && total < wanted) return pageOf(query, order, { found, isLast: true })
    if (found.length > 0 && isCut) return pageOf(query, order, { found, isLast: false })
    after = rows.at(-1)!
  }
}

function pageOf(query: Query, order: FieldPath, { found, isLast }: { found: Row[]; isLast: boolean }): Page {
  const documents = found.map(({ text }) => text)
  if (isLast) return { documents }
  const { kind, number, start, id } = found.at(-1)!
  return { documents, cursor: writeCursor(query, [order.path, kind, number, start, id]) }
}

/** What is asked for; or the order of an index that bounds what is looked at; or that of the ids. */
function orderOf({ orderBy, conditions }: Query, indexes: readonly string[], cursor: Place | undefined): FieldPath {
  if (orderBy !== undefined) return orderBy.field
  if (cursor !== undefined) return pathOf(cursor[0])
  const bounded = conditions.find(({ field, operator }) => /^[<>]/.test(operator) && indexes.includes(field.path))
  const isFixed = conditions.some(({ field, operator }) => operator === '=' && indexes.includes(field.path))
  return bounded === undefined || isFixed ? parseFieldPath(BY_ID) : bounded.field
}

function pathOf(field: string): FieldPath {
  try {
    return parseFieldPath(field)
  } catch (error) {
    throw new StoreError('INVALID_CURSOR', 'the cursor is damaged', { cause: error })
  }
}

interface Selection {
  number: number
  order: FieldPath
  after: Pick<Row, 'kind' | 'number' | 'start' | 'id'> | undefined
  limit: number
}

function statement({ conditions, orderBy }: Query, { number, order, after, limit }: Selection) {
  const values: unknown[] = []
  const parameter = (value: unknown, type: string) => `$${values.push(value)}::${type}`
  const field = fieldSql(order)
  const direction = orderBy?.isDescending === true ? 'DESC' : 'ASC'
  const parts = conditions.map(condition => conditionSql(condition, parameter))
  // The number is part of the text: an index is only for one.
  const wheres = [`d.table_number = ${number}`, ...parts.map(({ sql }) => sql)]
  const isById = order.path === BY_ID
  const [columns, key] = isById
    ? [['d.id'], [] as string[]]
    : [
        [field.kind, field.number, field.start, 'd.id'],
        ['kind', 'number', 'start'],
      ]
  if (after !== undefined) {
    const { kind, number: n, start, id } = after
    const bounds = isById ? [] : [parameter(kind, 'int'), parameter(n, 'float8'), parameter(start, 'text')]
    const place = [...bounds, parameter(id, 'text')]
    wheres.push(`(${columns.join(', ')}) ${direction === 'ASC' ? '>' : '<'} (${place.join(', ')})`)
  }
  const selected = isById
    ? `0 AS kind, 0::float8 AS number, '' AS start`
    : `${field.kind} AS kind, ${field.number} AS number, ${field.start} AS start`
  const ordered = (names: string[]) => names.map(name => `${name} ${direction}`).join(', ')
  // Documents are long and often not looked at: first their places are found, then so many texts as fit a page are read.
  const text = `WITH places AS MATERIALIZED (
      SELECT ${selected}, d.id, octet_length(d.text)::bigint AS bytes FROM ${SCHEMA}.documents AS d
      WHERE ${wheres.join(' AND ')} ORDER BY ${ordered(columns)} LIMIT ${limit}
    ), sized AS (
      SELECT *, sum(bytes) OVER (ORDER BY ${ordered([...key, 'id'])} ROWS UNBOUNDED PRECEDING) - bytes AS before,
        count(*) OVER () AS total FROM places
    )
    SELECT s.kind, s.number, s.start, s.id, s.total, d.text FROM sized AS s
    JOIN ${SCHEMA}.documents AS d ON d.table_number = ${number} AND d.id = s.id
    WHERE s.before < ${PAGE_BYTES} ORDER BY ${ordered([...key.map(name => `s.${name}`), 's.id'])}`
  return { text, values, isExact: parts.every(({ isExact }) => isExact) }
}
