/**
 * Which traces match a query, and in what order. Attributes are stored with the spans only: `hasAttribute` reads them.
 */
import { setImmediate as pause } from 'node:timers/promises'
import { RyoFaasError, type TracePage, type TraceQuery } from '../../contract/index.ts'
import { durationOf, statusOf, summarize, type TraceRecord } from './trace-record.ts'

export type HasAttribute = (record: TraceRecord, key: string, value: string) => boolean

/** How many traces are searched before yielding to other work. */
const BATCH_SIZE = 100

/** @throws RyoFaasError INVALID_REQUEST if the cursor is invalid. */
export async function select(
  records: Iterable<TraceRecord>,
  query: TraceQuery,
  hasAttribute: HasAttribute,
): Promise<TracePage> {
  const rank = query.order === 'slowest' ? durationOf : (record: TraceRecord) => record.startMs
  const after = query.cursor === undefined ? undefined : parseCursor(query.cursor)
  const fits = filterOf(query)
  const found = [...records]
    .map(record => ({ record, rank: rank(record) }))
    .filter(item => (after === undefined || compare(after, item) < 0) && fits(item.record))
    .sort(compare)
  const [key, value] = splitAttribute(query.attribute)
  const page: typeof found = []
  let looked = 0
  for (const item of found) {
    if (page.length > query.limit) break
    if (key !== undefined && ++looked % BATCH_SIZE === 0) await pause()
    if (key === undefined || hasAttribute(item.record, key, value)) page.push(item)
  }
  const last = page[query.limit - 1]
  return {
    traces: page.slice(0, query.limit).map(({ record }) => summarize(record)),
    ...(page.length > query.limit && last && { cursor: `${last.rank}~${last.record.traceId}` }),
  }
}

interface Ranked {
  rank: number
  record: Pick<TraceRecord, 'traceId'>
}

/** Highest first; the id makes the order total, so that a cursor is one exact place. */
function compare(a: Ranked, b: Ranked): number {
  if (a.rank !== b.rank) return b.rank - a.rank
  return a.record.traceId < b.record.traceId ? -1 : a.record.traceId > b.record.traceId ? 1 : 0
}

function parseCursor(cursor: string): Ranked {
  const match = /^(\d+(?:\.\d+)?)~([0-9a-f]{32})$/.exec(cursor)
  if (!match) throw new RyoFaasError('INVALID_REQUEST', 'the cursor is invalid')
  return { rank: Number(match[1]), record: { traceId: match[2]! } }
}

function splitAttribute(attribute: string | undefined): [string, string] | [undefined, ''] {
  if (attribute === undefined) return [undefined, '']
  const at = attribute.indexOf('=')
  return [attribute.slice(0, at), attribute.slice(at + 1)]
}

function filterOf(query: TraceQuery): (record: TraceRecord) => boolean {
  const since = query.since === undefined ? -Infinity : Date.parse(query.since)
  const until = query.until === undefined ? Infinity : Date.parse(query.until)
  const name = query.function?.toLowerCase()
  return record => {
    if (record.startMs < since || record.startMs >= until) return false
    if (query.status !== undefined && statusOf(record) !== query.status) return false
    if (query.minDurationMs !== undefined && durationOf(record) < query.minDurationMs) return false
    if (query.maxDurationMs !== undefined && durationOf(record) > query.maxDurationMs) return false
    if (name !== undefined && !record.functions.some(called => called.name.toLowerCase() === name)) return false
    return query.callId === undefined || record.calls.some(({ id }) => id === query.callId)
  }
}
