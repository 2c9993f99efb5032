/**
 * A table as text, piece by piece. The snapshot is opened with the first piece requested, and closed at the end,
 * also when the reader stops: a leaked one keeps old pages from being reused.
 */
import type { Snapshot } from '../documents/index.ts'

/**
 * A document a line; or (plain) the data alone, such that an import finds the same ids: a list of objects that show
 * their ids, or an object of id → data, if some data is not an object, or has an `id` that is not the document's.
 */
export async function* exportPieces(open: () => Promise<Snapshot>, isPlain: boolean): AsyncGenerator<string> {
  const snapshot = await open()
  try {
    if (!isPlain) {
      yield* pieces(snapshot, { format: text => `${text}\n`, between: '' })
      return
    }
    const isList = await showTheirIds(snapshot)
    yield isList ? '[' : '{'
    yield* pieces(snapshot, { format: isList ? listItem : objectEntry, between: ',\n' })
    yield isList ? ']\n' : '}\n'
  } finally {
    snapshot.close()
  }
}

async function* pieces(
  snapshot: Snapshot,
  { format, between }: { format: (text: string) => string; between: string },
): AsyncGenerator<string> {
  let isFirst = true
  for await (const texts of snapshot.documents()) {
    yield (isFirst ? '' : between) + texts.map(format).join(between)
    isFirst = false
  }
}

async function showTheirIds(snapshot: Snapshot): Promise<boolean> {
  for await (const texts of snapshot.documents()) {
    for (const text of texts) {
      const { id, data } = read(text)
      if (typeof data !== 'object' || data === null || Array.isArray(data)) return false
      if (Object.hasOwn(data, 'id') && String((data as { id: unknown }).id) !== id) return false
    }
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
