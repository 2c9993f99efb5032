/**
 * Which traces to drop when the store is full: the oldest, but first those of a function that holds more than its
 * share. A function that floods the collector pushes out its own traces, not those of others.
 */
import type { TraceRecord } from './trace-record.ts'
import type { TraceBounds } from './trace-store.ts'

/** Share of the store, by count or bytes. Below it senders are treated alike: the oldest goes. */
const SHARE = 0.25

interface Holding {
  /** Oldest first; those before `next` are already chosen. */
  records: TraceRecord[]
  next: number
  bytes: number
}

/** @param records as they would be without an eviction, oldest first */
export function chooseEvicted(
  records: readonly TraceRecord[],
  { maxTraces, maxBytes }: Pick<TraceBounds, 'maxTraces' | 'maxBytes'>,
): TraceRecord[] {
  const shareOf = ({ records, next, bytes }: Holding) => Math.max((records.length - next) / maxTraces, bytes / maxBytes)
  const holdings = new Map<string, Holding>()
  let bytes = 0
  for (const record of records) {
    bytes += record.bytes
    if (record.owner === '') continue
    const holding = holdings.get(record.owner) ?? { records: [], next: 0, bytes: 0 }
    holdings.set(record.owner, holding)
    holding.records.push(record)
    holding.bytes += record.bytes
  }
  const chosen = new Set<TraceRecord>()
  let oldest = 0
  const isTooMuch = () => records.length - chosen.size > maxTraces || bytes > maxBytes
  while (records.length - chosen.size > 1 && isTooMuch()) {
    let greatest: Holding | undefined
    for (const holding of holdings.values()) {
      if (shareOf(holding) > (greatest === undefined ? SHARE : shareOf(greatest))) greatest = holding
    }
    while (chosen.has(records[oldest]!)) oldest += 1
    const victim = greatest?.records[greatest.next] ?? records[oldest]!
    chosen.add(victim)
    bytes -= victim.bytes
    const holding = holdings.get(victim.owner)
    if (holding === undefined) continue
    // Either way it is the owner's oldest one left: both lists have the same order.
    holding.next += 1
    holding.bytes -= victim.bytes
  }
  return [...chosen]
}
