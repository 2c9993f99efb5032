/**
 * Which traces go when there are more than are kept: the oldest, but first those of a function that holds more than its
 * share. A function that floods the collector pushes out its own traces, and not what others want to look at.
 */
import type { TraceRecord } from './trace-record.ts'
import type { TraceBounds } from './trace-store.ts'

/** Share of all that is kept, by count or bytes. Within it nobody is told apart: the oldest goes. */
const SHARE = 0.25

interface Holding {
  /** The oldest first; those before `next` are chosen already. */
  records: TraceRecord[]
  next: number
  bytes: number
}

/** @param records as they would be without an eviction, the oldest first */
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
    // The first of its owner's that is left, whichever way it was found: the order is the same.
    holding.next += 1
    holding.bytes -= victim.bytes
  }
  return [...chosen]
}
