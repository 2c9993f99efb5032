/**
 * Where the next page begins, as an opaque text: behind which entry of which plan. Bound to its query by a digest, so
 * that it cannot continue another one.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { nameProblem, type ScanPosition } from '../engine/index.ts'
import { StoreError } from '../store-error.ts'

export interface Cursor {
  /** Digest of the query: see `digestOfQuery`. */
  digest: string
  /** The index that the first page used; '' for none. */
  index: string
  /** Which of the plan's ranges. */
  range: number
  after: ScanPosition
}

const Written = z.tuple([z.string(), z.string(), z.int().min(0), z.string(), z.string().nullable()])

export function digestOfQuery(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 12)
}

export function writeCursor({ digest, index, range, after }: Cursor): string {
  const value = after.value === undefined ? null : Buffer.from(after.value).toString('base64url')
  return Buffer.from(JSON.stringify([digest, index, range, after.id, value])).toString('base64url')
}

/** @throws StoreError INVALID_CURSOR */
export function readCursor(text: string, digest: string): Cursor {
  const [writtenDigest, index, range, id, value] = parse(text)
  if (writtenDigest !== digest) {
    throw new StoreError(
      'INVALID_CURSOR',
      'the cursor belongs to another query: table, where and orderBy must be the same',
    )
  }
  if (nameProblem(id) !== undefined) throw new StoreError('INVALID_CURSOR', 'the cursor is damaged')
  return { digest, index, range, after: { id, ...(value !== null && { value: Buffer.from(value, 'base64url') }) } }
}

function parse(text: string): z.infer<typeof Written> {
  try {
    return Written.parse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')))
  } catch (error) {
    throw new StoreError('INVALID_CURSOR', 'the cursor is damaged', { cause: error })
  }
}
