/**
 * The headers with which a call goes to the proxy. Invariant: the function gets what the caller sent, except what
 * described the caller's connection; only we set the call's id and attempt.
 */
import { CONNECTION_HEADERS, HEADERS } from '@ryo-faas/runtime/protocol'
import { formatTraceParent, type TraceContext } from '@ryo-faas/runtime/telemetry'
import type { CallHead } from '../../../calls/index.ts'

/** What does not outlive its connection, and the length, which is known anyway. */
const DROPPED: ReadonlySet<string> = new Set([...CONNECTION_HEADERS, 'content-length', 'expect', 'proxy-authorization'])
/** Set by us; the deadline was the caller's patience for the acceptance. */
const OURS: ReadonlySet<string> = new Set([
  HEADERS.callAttempt,
  HEADERS.callId,
  HEADERS.caller,
  HEADERS.deadlineMs,
  HEADERS.dispatch,
  HEADERS.requestId,
  'traceparent',
  'tracestate',
])

/** Name, value, name, value … */
export function requestHeaders(
  head: CallHead,
  call: { id: string; attempt: number; token: string; trace: TraceContext },
): string[] {
  const named = optionsOf(head.headers)
  const lines: string[] = []
  for (const [name, value] of head.headers) {
    const lower = name.toLowerCase()
    const isDropped = DROPPED.has(lower) || OURS.has(lower) || named.has(lower)
    if (!isDropped) lines.push(name, value)
  }
  // The proxy appends the address of its caller, which is us.
  if (head.clientAddress !== undefined) appendTo(lines, 'X-Forwarded-For', head.clientAddress)
  lines.push('traceparent', formatTraceParent(call.trace))
  if (call.trace.traceState !== undefined) lines.push('tracestate', call.trace.traceState)
  lines.push('X-Request-Id', head.requestId, 'X-Call-Id', call.id, 'X-Call-Attempt', String(call.attempt))
  if (head.caller !== undefined) lines.push(HEADERS.caller, head.caller)
  lines.push(HEADERS.dispatch, call.token)
  return lines
}

function optionsOf(headers: CallHead['headers']): ReadonlySet<string> {
  const connections = headers.filter(([name]) => name.toLowerCase() === 'connection')
  const options = connections.flatMap(([, value]) => value.split(',')).map(option => option.trim().toLowerCase())
  // A caller must not make us drop what the proxy needs.
  return new Set(options.filter(option => option !== 'host'))
}

function appendTo(lines: string[], name: string, value: string): void {
  const at = lines.findIndex((line, i) => i % 2 === 0 && line.toLowerCase() === name.toLowerCase())
  if (at < 0) lines.push(name, value)
  else lines[at + 1] += `, ${value}`
}

/** Pairs from a flat list. */
export function resultHeaders(raw: readonly (Buffer | string)[]): [string, string][] {
  const pairs: [string, string][] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const [name, value] = [text(raw[i]!), text(raw[i + 1]!)]
    if (!DROPPED.has(name.toLowerCase())) pairs.push([name, value])
  }
  return pairs
}

function text(bytes: Buffer | string): string {
  return typeof bytes === 'string' ? bytes : bytes.toString('latin1')
}
