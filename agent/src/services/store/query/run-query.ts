/**
 * Answers a query page by page. Invariants: 1. it holds the event loop for some milliseconds at a time, however large the
 * table. 2. paging meets every document that matches from the first page to the last exactly once, and whatever is
 * written in between at most once (one whose order changes under way may come twice or not at all).
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { StoredDocument } from '@ryo-faas/runtime/protocol'
import { type DocumentStore, orderKey, type ScanEntry, type ScanPosition, valueAt } from '../engine/index.ts'
import { StoreError } from '../store-error.ts'
import { matches } from './condition.ts'
import { digestOfQuery, readCursor, writeCursor } from './cursor.ts'
import { planQuery, type Query, type QueryPlan } from './plan-query.ts'
import { FirstOf } from './first-of.ts'

export interface PageOptions {
  limit: number
  cursor?: string
  signal?: AbortSignal
}

export interface Page {
  /** JSON texts. */
  documents: string[]
  /** Absent after the last page. */
  cursor?: string
}

const SLICE_MS = 4
const SLICE_ENTRIES = 64
/** After so many characters of documents the clock is looked at within a slice as well. */
const LOOK_AFTER = 64 * 1024
/** A page ends before its limit when its documents are this long together. */
const PAGE_LENGTH = 8 * 1024 * 1024

/** @throws StoreError INVALID_CURSOR */
export async function runQuery(store: DocumentStore, query: Query, options: PageOptions): Promise<Page> {
  const { table, conditions, orderBy } = query
  const digest = digestOfQuery([table, conditions, orderBy])
  const cursor = options.cursor === undefined ? undefined : readCursor(options.cursor, digest)
  const plan = planQuery(query, store.table(table))
  if (cursor !== undefined && cursor.index !== (plan.index ?? '')) {
    throw new StoreError('INVALID_CURSOR', 'an index of the table was declared or dropped since: start again')
  }
  if (plan.ranges.length === 0) return { documents: [] }
  const page = plan.sort === undefined ? collect : collectSorted
  const { entries, next } = await page({ store, query, plan, options, from: cursor ?? { range: 0 } })
  return {
    documents: entries.map(({ text }) => text),
    ...(next !== undefined && { cursor: writeCursor({ digest, index: plan.index ?? '', ...next }) }),
  }
}

interface Collecting {
  store: DocumentStore
  query: Query
  plan: QueryPlan
  options: PageOptions
  from: { range: number; after?: ScanPosition }
}

interface Collected {
  entries: ScanEntry[]
  next?: { range: number; after: ScanPosition }
}

/** They are found in their order: the first that match are the page. */
async function collect({ store, query, plan, options, from }: Collecting): Promise<Collected> {
  const entries: ScanEntry[] = []
  let length = 0
  let last: { range: number; after: ScanPosition } | undefined
  for await (const { range, entry } of walk({ store, query, plan, options, from })) {
    // One more than the page is looked for, to know whether there is a next one.
    if (entries.length >= options.limit || length >= PAGE_LENGTH) return { entries, next: last! }
    entries.push(entry)
    length += entry.text.length
    last = { range, after: positionOf(entry) }
  }
  return { entries }
}

/** All are looked at, and the first in the order that is wanted are kept. */
async function collectSorted({ store, query, plan, options, from }: Collecting): Promise<Collected> {
  const { field, isDescending } = plan.sort!
  const first = new FirstOf(options.limit + 1, { isDescending, after: from.after })
  for await (const { entry, document } of walk({ store, query, plan, options, from: { range: 0 } })) {
    first.offer({ value: orderKey(valueAt(document, field)), id: entry.id, text: entry.text })
  }
  const sorted = first.sorted()
  const entries = cutToLength(sorted.slice(0, options.limit))
  return entries.length < sorted.length
    ? { entries, next: { range: 0, after: positionOf(entries.at(-1)!) } }
    : { entries }
}

function cutToLength(entries: ScanEntry[]): ScanEntry[] {
  let length = 0
  const end = entries.findIndex(({ text }) => (length += text.length) > PAGE_LENGTH)
  return end < 0 ? entries : entries.slice(0, Math.max(1, end))
}

interface Match {
  range: number
  entry: ScanEntry
  document: StoredDocument
}

/** Everything that matches, in the order of the plan. */
async function* walk({ store, query, plan, options, from }: Collecting): AsyncGenerator<Match> {
  const { table, conditions } = query
  const { index, ranges, isDescending } = plan
  let sliceEnd = performance.now() + SLICE_MS
  let { after } = from
  let seen = 0
  const breathe = async () => {
    seen = 0
    if (performance.now() < sliceEnd) return
    await nextTurn()
    options.signal?.throwIfAborted()
    sliceEnd = performance.now() + SLICE_MS
  }
  for (let range = from.range; range < ranges.length; range += 1) {
    for (;;) {
      const batch = store.scan({
        ...{ table, isDescending, limit: SLICE_ENTRIES, ...ranges[range] },
        ...(index !== undefined && { index }),
        ...(after !== undefined && { after }),
      })
      for (const entry of batch) {
        const document = JSON.parse(entry.text) as StoredDocument
        if (matches(document, conditions)) yield { range, entry, document }
        if ((seen += entry.text.length) > LOOK_AFTER) await breathe()
      }
      if (batch.length < SLICE_ENTRIES) break
      after = positionOf(batch.at(-1)!)
      await breathe()
    }
    after = undefined
  }
}

function positionOf({ id, value }: ScanPosition): ScanPosition {
  return value === undefined ? { id } : { id, value }
}
