/** What a write is told of where it comes from: W3C Trace Context and the depth in document events. */
import type { IncomingHttpHeaders } from 'node:http'
import { HEADERS } from '@ryo-faas/runtime/protocol'
import type { WriteContext } from '../engine/index.ts'
import { StoreError } from '../store-error.ts'

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}/
const LONGEST_TRACESTATE = 512
const DEPTH = /^\d{1,9}$/
const OUTSIDE: WriteContext = {}

/** Traces that can not be understood are left out, as the standard asks. @throws StoreError INVALID_HEADER */
export function contextOf(headers: IncomingHttpHeaders): WriteContext {
  const { traceparent, tracestate } = headers
  const depth = headers[HEADERS.eventDepth]
  if (traceparent === undefined && depth === undefined) return OUTSIDE
  const context: WriteContext = {}
  if (depth !== undefined) {
    if (typeof depth !== 'string' || !DEPTH.test(depth)) {
      throw new StoreError('INVALID_HEADER', `${HEADERS.eventDepth} must be a whole number from 0`)
    }
    context.depth = Number(depth)
  }
  if (typeof traceparent === 'string' && TRACEPARENT.test(traceparent) && traceparent.length <= LONGEST_TRACESTATE) {
    context.traceparent = traceparent
    if (typeof tracestate === 'string' && tracestate !== '' && tracestate.length <= LONGEST_TRACESTATE) {
      context.tracestate = tracestate
    }
  }
  return context
}
