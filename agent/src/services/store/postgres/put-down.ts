/**
 * The statement that puts down what a batch made. Its parts are put together as they are needed, so there are as many
 * statements as combinations; each is planned once for a connection.
 */
import type { QueryConfig } from 'pg'
import type { BatchResult, DocumentRow, Place } from './batch.ts'
import { bigintArray, intArray, jsonbArray, textArray } from './binary-arrays.ts'
import { CHANNEL, SCHEMA } from './names.ts'

/** Rows as arrays, one for each column, with `$` in place of each parameter. */
interface Part {
  name: string
  sql: string
  values: Buffer[]
}

/** @param writer whose batch it is, to be found afterwards */
export function putDown(
  { inserts, updates, deletes, remember, forget, log, grown }: BatchResult,
  { tables, writer }: { tables: ReadonlyMap<string, number>; writer: { instance: string; batch: number } },
): QueryConfig {
  const numbers = (rows: readonly { table: string }[]) => intArray(rows.map(({ table }) => tables.get(table)!))
  const places = (rows: readonly Place[]) => [numbers(rows), textArray(rows.map(({ id }) => id))]
  const documents = (rows: readonly DocumentRow[]) => [
    ...places(rows),
    bigintArray(rows.map(({ version }) => version)),
    textArray(rows.map(({ createdAt }) => createdAt)),
    textArray(rows.map(({ editedAt }) => editedAt)),
    jsonbArray(rows.map(({ fields }) => fields)),
    textArray(rows.map(({ text }) => text)),
  ]
  const grownTables = [...grown].filter(([, growth]) => growth !== 0)
  const all: (Part & { rows: number })[] = [
    { name: 'inserts', rows: inserts.length, sql: INSERT, values: documents(inserts) },
    { name: 'updates', rows: updates.length, sql: UPDATE, values: documents(updates) },
    { name: 'deletes', rows: deletes.length, sql: DELETE, values: places(deletes) },
    {
      ...{ name: 'remember', rows: remember.length, sql: REMEMBER },
      values: [
        ...places(remember),
        bigintArray(remember.map(({ version }) => version)),
        bigintArray(remember.map(({ sequence }) => sequence)),
      ],
    },
    { name: 'forget', rows: forget.length, sql: FORGET, values: places(forget) },
    {
      ...{ name: 'log', rows: log.length, sql: LOG },
      values: [
        bigintArray(log.map(({ sequence }) => sequence)),
        textArray(log.map(({ table }) => table)),
        textArray(log.map(({ time }) => time)),
        textArray(log.map(({ text }) => text)),
      ],
    },
    {
      ...{ name: 'grown', rows: grownTables.length, sql: GROWN },
      values: [
        numbers(grownTables.map(([table]) => ({ table }))),
        bigintArray(grownTables.map(([, growth]) => growth)),
      ],
    },
  ]
  const parts = all.filter(({ rows }) => rows > 0)
  const name = `put:${parts.map(part => part.name).join()}`
  const values: unknown[] = [writer.instance, writer.batch]
  const number = (sql: string) => {
    let at = values.length
    return sql.replaceAll('$', () => `$${++at}`)
  }
  const withs = parts.map(part => {
    const text = `${part.name} AS (${number(part.sql)})`
    values.push(...part.values)
    return text
  })
  const text = `${withs.length > 0 ? `WITH ${withs.join(', ')}` : ''}
    INSERT INTO ${SCHEMA}.writers (instance, batch) SELECT $1::uuid, $2::bigint
    FROM (SELECT pg_notify('${CHANNEL}', '')) AS told
    ON CONFLICT (instance) DO UPDATE SET batch = excluded.batch, last_at = now()`
  return { name, text, values }
}

const DOCUMENT_ROWS = 'unnest($::int[], $::text[], $::bigint[], $::text[], $::text[], $::jsonb[], $::text[])'
const INSERT = `INSERT INTO ${SCHEMA}.documents (table_number, id, version, created_at, edited_at, fields, text)
  SELECT * FROM ${DOCUMENT_ROWS}`
const UPDATE = `UPDATE ${SCHEMA}.documents AS d
  SET version = r.version, created_at = r.created_at, edited_at = r.edited_at, fields = r.fields, text = r.text
  FROM ${DOCUMENT_ROWS} AS r (table_number, id, version, created_at, edited_at, fields, text)
  WHERE d.table_number = r.table_number AND d.id = r.id`
const DELETE = `DELETE FROM ${SCHEMA}.documents AS d USING unnest($::int[], $::text[]) AS r (table_number, id)
  WHERE d.table_number = r.table_number AND d.id = r.id`
const REMEMBER = `INSERT INTO ${SCHEMA}.deleted (table_number, id, version, sequence)
  SELECT * FROM unnest($::int[], $::text[], $::bigint[], $::bigint[])
  ON CONFLICT (table_number, id) DO UPDATE SET version = excluded.version, sequence = excluded.sequence`
const FORGET = `DELETE FROM ${SCHEMA}.deleted AS d USING unnest($::int[], $::text[]) AS r (table_number, id)
  WHERE d.table_number = r.table_number AND d.id = r.id`
const LOG = `INSERT INTO ${SCHEMA}.log (sequence, table_name, time, text)
  SELECT * FROM unnest($::bigint[], $::text[], $::text[], $::text[])`
const GROWN = `UPDATE ${SCHEMA}.tables AS t SET documents = t.documents + r.growth
  FROM unnest($::int[], $::bigint[]) AS r (number, growth) WHERE t.number = r.number`
