/** What a write is told of where it comes from: W3C Trace Context and the depth in document events. */
import type { IncomingMessage } from 'node:http'
import { HEADERS } from '@ryo-faas/runtime/protocol'
import { formatTraceParent, type TraceContext } from '@ryo-faas/runtime/telemetry'
import type { WriteContext } from '../engine/index.ts'
import { StoreError } from '../store-error.ts'

const DEPTH = /^\d{1,9}$/
const OUTSIDE: WriteContext = {}

/** @throws StoreError INVALID_HEADER */
export function contextOf({ raw, trace }: { raw: IncomingMessage; trace: TraceContext | undefined }): WriteContext {
  const depth = raw.headers[HEADERS.eventDepth]
  if (trace === undefined && depth === undefined) return OUTSIDE
  const context: WriteContext = {}
  if (depth !== undefined) {
    if (typeof depth !== 'string' || !DEPTH.test(depth)) {
      throw new StoreError('INVALID_HEADER', `${HEADERS.eventDepth} must be a whole number from 0`)
    }
    context.depth = Number(depth)
  }
  if (trace !== undefined) {
    context.traceparent = formatTraceParent(trace)
    if (trace.traceState !== undefined) context.tracestate = trace.traceState
  }
  return context
}
