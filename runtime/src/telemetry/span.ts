/** A span until it is sent: plain data, so that it costs the hot path one object. */
import { monotonicNow } from './monotonic-now.ts'
import type { TraceContext } from './trace-context.ts'

export type AttributeValue = string | number | boolean | readonly string[]
/** Names follow the OpenTelemetry semantic conventions; an undefined value means absent. */
export type Attributes = Readonly<Record<string, AttributeValue | undefined>>

export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer'

export interface SpanEvent {
  readonly name: string
  /** Milliseconds since the epoch, with a fraction. */
  readonly time: number
  readonly attributes: Attributes
}

export interface SpanLink {
  readonly context: Pick<TraceContext, 'traceId' | 'spanId' | 'traceState'>
  readonly attributes?: Attributes
}

export interface SpanStatus {
  readonly code: 'unset' | 'ok' | 'error'
  readonly message?: string | undefined
}

export interface Span {
  readonly name: string
  readonly kind: SpanKind
  readonly context: TraceContext
  readonly parentSpanId?: string | undefined
  /** Milliseconds since the epoch, with a fraction. */
  readonly startTime: number
  readonly endTime: number
  readonly attributes: Attributes
  readonly events?: readonly SpanEvent[]
  readonly links?: readonly SpanLink[]
  readonly status?: SpanStatus
  /** The library that made it; the platform if absent. */
  readonly scope?: { readonly name: string; readonly version?: string | undefined }
}

let wallMinusMonotonic = 0
const TOLERANCE_MS = 20

/**
 * Now, in milliseconds since the epoch with a fraction, from the monotonic clock. That clock stops while a laptop
 * sleeps, so it is adjusted to the wall clock whenever the two differ.
 */
export function preciseNow(): number {
  const monotonic = monotonicNow()
  const wall = Date.now()
  if (Math.abs(wall - monotonic - wallMinusMonotonic) > TOLERANCE_MS) wallMinusMonotonic = wall - monotonic
  return wallMinusMonotonic + monotonic
}

/**
 * An exception as OpenTelemetry records it (semantic conventions, "Exceptions on spans"). Never throws, whatever was
 * thrown: its getters and conversions are user code.
 */
export function exceptionEvent(error: unknown, time = preciseNow()): SpanEvent {
  return { name: 'exception', time, attributes: exceptionAttributes(error) }
}

function exceptionAttributes(error: unknown): Attributes {
  try {
    if (!(error instanceof Error)) return { 'exception.type': typeof error, 'exception.message': String(error) }
    return {
      'exception.type': error.constructor.name,
      'exception.message': error.message,
      'exception.stacktrace': error.stack,
    }
  } catch {
    return { 'exception.type': typeof error }
  }
}
