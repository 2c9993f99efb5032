/** The origin of a write: W3C Trace Context, its baggage and the depth in document events. */
import type { IncomingMessage } from 'node:http'
import { formatTraceParent, type TraceContext } from '@ryo-faas/runtime/telemetry'
import type { WriteContext } from '../documents/index.ts'

const OUTSIDE: WriteContext = {}
/** The standard lets everybody stop here (https://www.w3.org/TR/baggage/#limits); it is kept with each event. */
const LONGEST_BAGGAGE = 8_192

/** What is known about a request when its route runs. */
interface Origin {
  raw: IncomingMessage
  trace: TraceContext | undefined
  depth: number
}

export function contextOf({ raw, trace, depth }: Origin): WriteContext {
  const baggage = baggageOf(raw)
  if (trace === undefined && depth === 0 && baggage === undefined) return OUTSIDE
  const context: WriteContext = { depth }
  if (trace !== undefined) {
    context.traceparent = formatTraceParent(trace)
    if (trace.traceState !== undefined) context.tracestate = trace.traceState
  }
  if (baggage !== undefined) context.baggage = baggage
  return context
}

function baggageOf({ headers: { baggage } }: IncomingMessage): string | undefined {
  return typeof baggage === 'string' && baggage !== '' && baggage.length <= LONGEST_BAGGAGE ? baggage : undefined
}
