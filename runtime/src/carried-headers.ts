/** What makes a request part of the invocation that sends it: id, trace, remaining time, and how deep in events it is. */
import type { RunningInvocation } from './context.ts'
import { HEADERS } from './protocol/index.ts'

/** Taken over as they came, unless the caller sets them itself. The first two are the W3C Trace Context. */
const PASSED_ON = ['traceparent', 'tracestate', HEADERS.eventDepth] as const

export function carriedHeaders({ context, headers }: RunningInvocation, own: HeadersInit | undefined): Headers {
  const carried = new Headers(own)
  carried.set(HEADERS.requestId, context.requestId)
  for (const name of PASSED_ON) {
    const value = headers[name]
    if (typeof value === 'string' && !carried.has(name)) carried.set(name, value)
  }
  const remainingMs = context.remainingMs()
  if (remainingMs !== Infinity) carried.set(HEADERS.deadlineMs, String(Math.floor(remainingMs)))
  return carried
}
