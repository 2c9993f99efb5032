/** Answers a query page by page. Invariant: it holds the event loop for some milliseconds at a time. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { StoredDocument } from '@ryo-faas/runtime/protocol'
import { StoreError } from '@ryo-faas/runtime/documents'
import { matches, nameProblem, type Page, type Query, readCursor, valueAt, writeCursor } from '../../documents/index.ts'
import { orderKey } from '../order-key.ts'
import type { Reader, ScanEntry, ScanPosition } from '../reader.ts'
import { FirstOf } from './first-of.ts'
import { planQuery, type QueryPlan } from './plan-query.ts'

/** Of a cursor: the index that the first page used ('' for none), which range of the plan, id and value of an entry. */
type Place = [index: string, range: number, id: string, value: string | null]

/** By hand: threads that run no query load this too, and a schema takes them megabytes. */
function isPlace(written: readonly unknown[]): written is Place {
  const [index, range, id, value] = written
  if (written.length !== 4 || typeof index !== 'string' || typeof id !== 'string') return false
  if (!Number.isSafeInteger(range) || (range as number) < 0) return false
  return nameProblem(id) === undefined && (value === null || typeof value === 'string')
}

const SLICE_MS = 4
const SLICE_ENTRIES = 64
/** After so many characters of documents the clock is looked at within a slice as well. */
const LOOK_AFTER = 64 * 1024
/** A page ends before its limit when its documents are this long together. */
const PAGE_LENGTH = 8 * 1024 * 1024

/** @throws StoreError INVALID_CURSOR */
export async function runQuery(reader: Reader, query: Query, signal?: AbortSignal): Promise<Page> {
  const cursor = readCursor(query, isPlace)
  const plan = planQuery(query, reader.table(query.table))
  if (cursor !== undefined && cursor[0] !== (plan.index ?? '')) {
    throw new StoreError('INVALID_CURSOR', 'an index of the table was declared or dropped since: start again')
  }
  if (plan.ranges.length === 0) return { documents: [] }
  const page = plan.sort === undefined ? collect : collectSorted
  const { entries, next } = await page({ reader, query, plan, signal, from: placeOf(cursor) })
  const documents = entries.map(({ text }) => text)
  if (next === undefined) return { documents }
  const { id, value } = next.after
  const place = [
    plan.index ?? '',
    next.range,
    id,
    value === undefined ? null : Buffer.from(value).toString('base64url'),
  ]
  return { documents, cursor: writeCursor(query, place) }
}

function placeOf(cursor: Place | undefined): Collecting['from'] {
  if (cursor === undefined) return { range: 0 }
  const [, range, id, value] = cursor
  return { range, after: { id, ...(value !== null && { value: Buffer.from(value, 'base64url') }) } }
}

interface Collecting {
  reader: Reader
  query: Query
  plan: QueryPlan
  signal: AbortSignal | undefined
  from: { range: number; after?: ScanPosition }
}

interface Collected {
  entries: ScanEntry[]
  next?: { range: number; after: ScanPosition }
}

/** They are found in their order: the first that match are the page. */
async function collect(collecting: Collecting): Promise<Collected> {
  const entries: ScanEntry[] = []
  let length = 0
  let last: { range: number; after: ScanPosition } | undefined
  for await (const { range, entry } of walk(collecting)) {
    // One more than the page is looked for, to know whether there is a next one.
    if (entries.length >= collecting.query.limit || length >= PAGE_LENGTH) return { entries, next: last! }
    entries.push(entry)
    length += entry.text.length
    last = { range, after: entry }
  }
  return { entries }
}

/** All are looked at, and the first in the order that is wanted are kept. */
async function collectSorted(collecting: Collecting): Promise<Collected> {
  const { query, plan, from } = collecting
  const { field, isDescending } = plan.sort!
  const first = new FirstOf(query.limit + 1, { isDescending, after: from.after })
  for await (const { entry, document } of walk({ ...collecting, from: { range: 0 } })) {
    first.offer({ value: orderKey(valueAt(document, field)), id: entry.id, text: entry.text })
  }
  const sorted = first.sorted()
  const entries = cutToLength(sorted.slice(0, query.limit))
  return entries.length < sorted.length ? { entries, next: { range: 0, after: entries.at(-1)! } } : { entries }
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
async function* walk({ reader, query, plan, signal, from }: Collecting): AsyncGenerator<Match> {
  const { table, conditions } = query
  const { index, ranges, isDescending } = plan
  let sliceEnd = performance.now() + SLICE_MS
  let { after } = from
  let seen = 0
  const breathe = async () => {
    seen = 0
    if (performance.now() < sliceEnd) return
    await nextTurn()
    signal?.throwIfAborted()
    sliceEnd = performance.now() + SLICE_MS
  }
  for (let range = from.range; range < ranges.length; range += 1) {
    for (;;) {
      const batch = reader.scan({
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
      after = batch.at(-1)!
      await breathe()
    }
    after = undefined
  }
}
