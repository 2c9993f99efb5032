/**
 * A table as text, piece by piece. The snapshot is opened with the first piece that is asked for, and closed at the end,
 * also when nobody reads on: one that nobody closes keeps old pages from being used again.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { DocumentStore } from '../engine/index.ts'

type Snapshot = ReturnType<DocumentStore['snapshot']>

/** Characters that are sent at once. */
const PIECE_LENGTH = 64 * 1024
/** Documents that are looked at without letting others run. */
const LOOK_AT_ONCE = 500

/** A document a line. */
export async function* linePieces(open: () => Snapshot): AsyncGenerator<string> {
  const snapshot = open()
  try {
    yield* pieces(snapshot, { format: text => `${text}\n`, between: '' })
  } finally {
    snapshot.close()
  }
}

/**
 * The data alone, such that an import finds the same ids: a list of objects that show their ids; or an object of id →
 * data, if some data is not an object, or has an `id` that is not the document's.
 */
export async function* plainPieces(open: () => Snapshot): AsyncGenerator<string> {
  const snapshot = open()
  try {
    const isList = await showTheirIds(snapshot)
    yield isList ? '[' : '{'
    yield* pieces(snapshot, { format: isList ? listItem : objectEntry, between: ',\n' })
    yield isList ? ']\n' : '}\n'
  } finally {
    snapshot.close()
  }
}

function* pieces(
  documents: Iterable<string>,
  { format, between }: { format: (text: string) => string; between: string },
): Generator<string> {
  let piece = ''
  let isFirst = true
  for (const text of documents) {
    piece += (isFirst ? '' : between) + format(text)
    isFirst = false
    if (piece.length < PIECE_LENGTH) continue
    yield piece
    piece = ''
  }
  if (piece !== '') yield piece
}

async function showTheirIds(documents: Iterable<string>): Promise<boolean> {
  let looked = 0
  for (const text of documents) {
    const { id, data } = read(text)
    if (typeof data !== 'object' || data === null || Array.isArray(data)) return false
    if (Object.hasOwn(data, 'id') && String((data as { id: unknown }).id) !== id) return false
    looked += 1
    if (looked % LOOK_AT_ONCE === 0) await nextTurn()
  }
  return true
}

function listItem(text: string): string {
  const { id, data } = read(text)
  return JSON.stringify({ id, ...(data as object) })
}

function objectEntry(text: string): string {
  const { id, data } = read(text)
  return `${JSON.stringify(id)}:${JSON.stringify(data)}`
}

function read(text: string): { id: string; data: unknown } {
  return JSON.parse(text) as { id: string; data: unknown }
}
