/**
 * Where the next page starts, as opaque text. Its content is up to the store; it is bound to its query by a
 * digest, so that it cannot continue another one.
 */
import { createHash } from 'node:crypto'
import { StoreError } from './store-error.ts'
import type { Query } from './query.ts'

/** @param place JSON */
export function writeCursor(query: Query, place: readonly unknown[]): string {
  return Buffer.from(JSON.stringify([digestOf(query), ...place])).toString('base64url')
}

/**
 * @param isPlace whether it has the shape of what was given to `writeCursor`
 * @returns undefined without a cursor
 * @throws StoreError INVALID_CURSOR
 */
export function readCursor<Place extends readonly unknown[]>(
  query: Query,
  isPlace: (written: readonly unknown[]) => written is Place,
): Place | undefined {
  if (query.cursor === undefined) return undefined
  const [digest, ...place] = parse(query.cursor)
  if (!isPlace(place)) throw damaged()
  if (digest === digestOf(query)) return place
  throw new StoreError(
    'INVALID_CURSOR',
    'the cursor belongs to another query: table, where and orderBy must be the same',
  )
}

function parse(text: string): unknown[] {
  let parts: unknown
  try {
    parts = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
  } catch (error) {
    throw damaged(error)
  }
  return Array.isArray(parts) ? parts : []
}

function damaged(cause?: unknown): StoreError {
  return new StoreError('INVALID_CURSOR', 'the cursor is damaged', { cause })
}

function digestOf({ table, conditions, orderBy }: Query): string {
  const text = JSON.stringify([table, conditions, orderBy])
  return createHash('sha256').update(text).digest('base64url').slice(0, 12)
}
