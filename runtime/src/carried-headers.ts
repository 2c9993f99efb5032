/**
 * Headers that make a request part of the invocation that sends it: id, remaining time, and depth in events.
 * `platformFetch` adds the trace.
 */
import type { RunningInvocation } from './context.ts'
import { HEADERS } from './protocol/index.ts'

export function carriedHeaders({ context, headers }: RunningInvocation, own: HeadersInit | undefined): Headers {
  const carried = new Headers(own)
  carried.set(HEADERS.requestId, context.requestId)
  const depth = headers[HEADERS.eventDepth]
  if (typeof depth === 'string' && !carried.has(HEADERS.eventDepth)) carried.set(HEADERS.eventDepth, depth)
  const remainingMs = context.remainingMs()
  if (remainingMs !== Infinity) carried.set(HEADERS.deadlineMs, String(Math.floor(remainingMs)))
  return carried
}
