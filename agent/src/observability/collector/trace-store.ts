/**
 * Keeps recent traces. Invariants of every implementation:
 *
 * 1. `add` never waits and never throws: what cannot be kept is counted as dropped.
 * 2. Traces are bounded by count and bytes; the first that came go first, but before all others those of a function that
 *    holds more than its share. Spans of one trace are bounded too.
 * 3. What was added is found within moments, and after a restart or `kill -9`.
 */
import type { TracePage, TraceQuery, TraceView } from '../../contract/index.ts'
import type { ReceivedSpan } from './span.ts'

export interface TraceBounds {
  maxTraces: number
  /** Of the spans' JSON text, and what is kept beside each. */
  maxBytes: number
  maxSpansPerTrace: number
  /** Of spans that wait for the disk; beyond it they are dropped. */
  maxWaitingBytes: number
}

export interface TraceFigures {
  traces: number
  bytes: number
  /** Spans that could not be kept since the start, by reason. */
  dropped: Record<DropReason, number>
}
/** `busy`: too many wait for the disk. `storage`: the disk did not take them. `trace`: more than a trace may have. */
export type DropReason = 'busy' | 'storage' | 'trace'

export interface TraceStore {
  /** Answers how many were taken. @param sender route of the function that sent them; default: it was no function */
  add(spans: readonly ReceivedSpan[], sender?: string): number
  list(query: TraceQuery): Promise<TracePage>
  /** @param id of a trace or its first digits, of a request, or of an asynchronous call. */
  find(id: string): Promise<TraceView | undefined>
  figures(): TraceFigures
  /** Keeps what was added so far. */
  close(): Promise<void>
}
