/**
 * Summary of a trace without its spans: enough for lists and filters, kept in memory and stored with the spans.
 * Spans arrive in any order, from several services.
 */
import { z } from 'zod'
import type { TraceSummary } from '../../contract/index.ts'
import type { Span } from './span.ts'

export const TraceRecord = z.object({
  traceId: z.string(),
  /** Increases with each new trace: the lowest is dropped first. */
  order: z.number(),
  /** Route of the first function that sent a span of it; '' if none did. */
  owner: z.string().default(''),
  startMs: z.number(),
  endMs: z.number(),
  root: z.object({
    name: z.string(),
    service: z.string(),
    startMs: z.number(),
    hasParent: z.boolean(),
    isError: z.boolean(),
  }),
  /** A span failed, other than client and producer spans. */
  hasError: z.boolean(),
  /** Stored spans. */
  spans: z.number(),
  /** Spans beyond the limit. */
  dropped: z.number(),
  /** Size of the stored spans. */
  bytes: z.number(),
  /** Functions, ordered by their first span's start. */
  functions: z.array(z.object({ name: z.string(), startMs: z.number() })),
  /** Asynchronous calls, ordered by their first span's start. */
  calls: z.array(z.object({ id: z.string(), startMs: z.number() })),
  /** Request ids that callers set; without one, the request id is the trace id. */
  requests: z.array(z.string()).default([]),
})
export type TraceRecord = z.infer<typeof TraceRecord>

const MAX_NAMES = 32
/** `service.name` of the control plane. */
const AGENT = 'ryo-faas-agent'

/** A trace without any span yet. */
export function newRecord(traceId: string, order: number): TraceRecord {
  return {
    traceId,
    order,
    owner: '',
    startMs: Infinity,
    endMs: 0,
    root: { name: '', service: '', startMs: Infinity, hasParent: true, isError: false },
    hasError: false,
    spans: 0,
    dropped: 0,
    bytes: 0,
    functions: [],
    calls: [],
    requests: [],
  }
}

/** The record with one more span, stored or not. */
export function withSpan(record: TraceRecord, span: Span): TraceRecord {
  const isError = span.status === 'error'
  const onlyAsks = span.kind === 'client' || span.kind === 'producer'
  const { attributes } = span
  const called = attributes['faas.invocation_id'] ?? attributes['messaging.message.id']
  // A deploy span names a function but is not a call of it.
  const name = span.service === AGENT ? undefined : attributes['faas.name']
  const request = attributes['ryo_faas.request_id']
  const isKnown = request === record.traceId || record.requests.length >= MAX_NAMES
  return {
    ...record,
    startMs: Math.min(record.startMs, span.startMs),
    endMs: Math.max(record.endMs, span.startMs + span.durationMs),
    root: isRoot(record.root, span)
      ? {
          name: span.name,
          service: span.service,
          startMs: span.startMs,
          hasParent: span.parentSpanId !== undefined,
          isError,
        }
      : record.root,
    hasError: record.hasError || (isError && !onlyAsks),
    functions:
      typeof name === 'string'
        ? first(record.functions, { name, startMs: span.startMs }, ({ name }) => name.toLowerCase())
        : record.functions,
    calls:
      typeof called === 'string'
        ? first(record.calls, { id: called, startMs: span.startMs }, ({ id }) => id)
        : record.calls,
    requests:
      typeof request === 'string' && !isKnown && !record.requests.includes(request)
        ? [...record.requests, request]
        : record.requests,
  }
}

export function summarize(record: TraceRecord): TraceSummary {
  const [called] = record.functions
  const [call] = record.calls
  return {
    traceId: record.traceId,
    name: record.root.name,
    rootService: record.root.service,
    ...(called && { function: called.name }),
    startedAt: new Date(record.startMs).toISOString(),
    durationMs: durationOf(record),
    status: statusOf(record),
    spans: record.spans + record.dropped,
    ...(call && { callId: call.id }),
  }
}

export function durationOf({ startMs, endMs }: TraceRecord): number {
  return Math.round((endMs - startMs) * 1000) / 1000
}

export function statusOf({ hasError, root }: TraceRecord): TraceSummary['status'] {
  return hasError || root.isError ? 'error' : 'ok'
}

function isRoot(known: TraceRecord['root'], span: Span): boolean {
  const hasParent = span.parentSpanId !== undefined
  if (hasParent !== known.hasParent) return !hasParent
  return span.startMs < known.startMs
}

function first<T extends { startMs: number }>(known: T[], found: T, key: (item: T) => string): T[] {
  const same = known.find(item => key(item) === key(found))
  if (same ? same.startMs <= found.startMs : known.length >= MAX_NAMES) return known
  return [...known.filter(item => item !== same), found].sort((a, b) => a.startMs - b.startMs)
}
