/** What changes more than documents: indexes, tables, the log. Each runs in a transaction under the writers' lock. */
import { StoreError } from '@ryo-faas/runtime/documents'
import { type IndexView, parseFieldPath } from '../documents/index.ts'
import type { Client } from './database.ts'
import { SCHEMA } from './names.ts'

export const TRIM_STEP = 1_000

export async function declareIndex(client: Client, table: string, field: string): Promise<IndexView> {
  const { path } = parseFieldPath(field)
  await client.query(`INSERT INTO ${SCHEMA}.tables (name) VALUES ($1) ON CONFLICT (name) DO NOTHING`, [table])
  const { number, documents } = (await tableRow(client, table))!
  await client.query(
    `INSERT INTO ${SCHEMA}.indexes (table_number, field, is_ready) VALUES ($1, $2, false)
     ON CONFLICT (table_number, field) DO NOTHING`,
    [number, JSON.stringify(path)],
  )
  const { rows } = await client.query<{ is_ready: boolean }>(
    `SELECT is_ready FROM ${SCHEMA}.indexes WHERE table_number = $1 AND field = $2`,
    [number, JSON.stringify(path)],
  )
  const isReady = rows[0]!.is_ready
  return { field: path, state: isReady ? 'ready' : 'building', documents: isReady ? documents : 0 }
}

export async function dropIndex(client: Client, table: string, field: string): Promise<void> {
  const { path } = parseFieldPath(field)
  const { number } = await existing(client, table)
  const { rowCount } = await client.query(`DELETE FROM ${SCHEMA}.indexes WHERE table_number = $1 AND field = $2`, [
    ...[number, JSON.stringify(path)],
  ])
  if (rowCount === 0) {
    throw new StoreError('INDEX_NOT_FOUND', `table ${JSON.stringify(table)} has no index on ${path}`)
  }
}

export async function dropTable(client: Client, table: string): Promise<void> {
  const { number } = await existing(client, table)
  await client.query(`DELETE FROM ${SCHEMA}.indexes WHERE table_number = $1`, [number])
  await client.query(`DELETE FROM ${SCHEMA}.tables WHERE number = $1`, [number])
  await client.query(`INSERT INTO ${SCHEMA}.dropped VALUES ($1)`, [number])
}

/** @returns how many were removed; `TRIM_STEP` means that there may be more */
export async function trimLog(
  client: Client,
  { before, through }: { before: string; through: number },
): Promise<number> {
  const { rows } = await client.query<{ sequence: string; is_old: boolean }>(
    `SELECT sequence, time < $1 AS is_old FROM ${SCHEMA}.log WHERE sequence <= $2 ORDER BY sequence LIMIT ${TRIM_STEP}`,
    [before, through],
  )
  const firstKept = rows.findIndex(({ is_old: isOld }) => !isOld)
  const old = firstKept < 0 ? rows : rows.slice(0, firstKept)
  if (old.length === 0) return 0
  const last = old.at(-1)!.sequence
  await client.query(`DELETE FROM ${SCHEMA}.deleted WHERE sequence <= $1`, [last])
  await client.query(`DELETE FROM ${SCHEMA}.log WHERE sequence <= $1`, [last])
  await client.query(`UPDATE ${SCHEMA}.state SET value = $1 WHERE name = 'trimmed'`, [last])
  return old.length
}

export async function saveState(client: Client, name: string, value: unknown): Promise<void> {
  await client.query(
    `INSERT INTO ${SCHEMA}.state VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
    [name, JSON.stringify(value)],
  )
}

async function tableRow(client: Client, name: string): Promise<{ number: number; documents: number } | undefined> {
  const { rows } = await client.query<{ number: number; documents: string }>(
    `SELECT number, documents FROM ${SCHEMA}.tables WHERE name = $1`,
    [name],
  )
  const [row] = rows
  return row && { number: row.number, documents: Number(row.documents) }
}

async function existing(client: Client, name: string): Promise<{ number: number }> {
  const table = await tableRow(client, name)
  if (table === undefined) throw new StoreError('TABLE_NOT_FOUND', `there is no table ${JSON.stringify(name)}`)
  return table
}
