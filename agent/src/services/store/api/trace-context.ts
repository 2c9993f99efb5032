/** What a write is told of where it comes from: W3C Trace Context and the depth in document events. */
import { formatTraceParent, type TraceContext } from '@ryo-faas/runtime/telemetry'
import type { WriteContext } from '../engine/index.ts'

const OUTSIDE: WriteContext = {}

export function contextOf({ trace, depth }: { trace: TraceContext | undefined; depth: number }): WriteContext {
  if (trace === undefined && depth === 0) return OUTSIDE
  const context: WriteContext = { depth }
  if (trace !== undefined) {
    context.traceparent = formatTraceParent(trace)
    if (trace.traceState !== undefined) context.tracestate = trace.traceState
  }
  return context
}
