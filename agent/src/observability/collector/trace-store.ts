/**
 * Keeps recent traces. Invariants of every implementation:
 *
 * 1. `add` never waits and never throws: what cannot be kept is counted as dropped.
 * 2. Traces are bounded by count and bytes; the oldest go first, but before all others those of a function that holds
 *    more than its share. Spans of one trace are bounded too.
 * 3. What was added can be found within moments, and still after a restart or `kill -9`.
 */
import type { TracePage, TraceQuery, TraceView } from '../../contract/index.ts'
import type { ReceivedSpan } from './span.ts'

export interface TraceBounds {
  maxTraces: number
  /** Size of the spans as JSON text, plus an overhead for each. */
  maxBytes: number
  maxSpansPerTrace: number
  /** Size of the spans waiting for the disk; more are dropped. */
  maxWaitingBytes: number
}

export interface TraceFigures {
  traces: number
  bytes: number
  /** Spans dropped since the start, by reason. */
  dropped: Record<DropReason, number>
}
/** `busy`: too many wait for the disk. `storage`: the write failed. `trace`: the trace is full. */
export type DropReason = 'busy' | 'storage' | 'trace'

export interface TraceStore {
  /** Returns how many were accepted. @param sender route of the sending function; empty for any other sender */
  add(spans: readonly ReceivedSpan[], sender?: string): number
  list(query: TraceQuery): Promise<TracePage>
  /** @param id of a trace (a prefix is enough), a request or an asynchronous call */
  find(id: string): Promise<TraceView | undefined>
  figures(): TraceFigures
  /** Writes what was added so far. */
  close(): Promise<void>
}
