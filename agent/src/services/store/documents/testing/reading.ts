/** What tests of stores share: everything that a store returns in pieces, and queries in short. */
import type { DocumentCloudEvent, StoredDocument } from '@ryo-faas/runtime/protocol'
import { parseFieldPath, type Condition, type Order, type DocumentStore, type LogEntry, type Query } from '../index.ts'

/** The events that the log has now. */
export async function eventsOf(store: DocumentStore, { from = 1, table }: { from?: number; table?: string } = {}) {
  const { first, last } = await store.logBounds()
  const all = await take(store, { from }, last - Math.max(first, from) + 1)
  if (table === undefined) return all
  const expected = all.filter(({ text }) => (JSON.parse(text) as DocumentCloudEvent).data.table === table)
  return take(store, { from, table }, expected.length)
}

async function take(store: DocumentStore, where: { from: number; table?: string }, count: number): Promise<LogEntry[]> {
  const entries: LogEntry[] = []
  if (count <= 0) return entries
  for await (const piece of store.changes({ ...where, signal: new AbortController().signal })) {
    entries.push(...piece)
    if (entries.length >= count) break
  }
  return entries
}

export async function documentsOf(store: DocumentStore, table: string): Promise<string[]> {
  const snapshot = await store.snapshot(table)
  const texts: string[] = []
  for await (const some of snapshot.documents()) texts.push(...some)
  snapshot.close()
  return texts
}

/** The documents of all pages. */
export async function found(
  store: DocumentStore,
  { conditions = [], limit = 1_000, ...query }: Partial<Query> & { table: string },
): Promise<string[]> {
  const texts: string[] = []
  let cursor: string | undefined
  do {
    const page = await store.query({ ...query, conditions, limit, ...(cursor !== undefined && { cursor }) })
    texts.push(...page.documents)
    cursor = page.cursor
  } while (cursor !== undefined)
  return texts
}

/** A field, with a minus in front if the order descends. */
export function by(text: string): Order {
  return { field: parseFieldPath(text.replace('-', '')), isDescending: text.startsWith('-') }
}

export function where(field: string, operators: Partial<Record<Condition['operator'], unknown>>): Condition[] {
  return Object.entries(operators).map(
    ([operator, value]) => ({ field: parseFieldPath(field), operator, value }) as Condition,
  )
}

export function idsOf(texts: readonly string[]): string[] {
  return texts.map(text => (JSON.parse(text) as StoredDocument).id)
}
