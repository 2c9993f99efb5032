/**
 * Traces requests by `node:http`, `node:https` and the package `undici` as part of the running invocation, like those
 * by `fetch` (see `client-span.ts`); this covers most libraries. Both clients announce requests on diagnostic channels,
 * so nothing of theirs is loaded or replaced. `fetch` is announced as well, with its `traceparent` already set.
 *
 * 1. What `fetch` would not send is left alone: tunnels, upgrades, and requests over a socket in the file system.
 * 2. No listener throws: the error would be uncaught. A request that accepts no more headers is sent unchanged: one by
 *    `node:http` with an array of raw headers or with `Expect`, and all of them on Node 20.
 */
import { subscribe, unsubscribe, type ChannelListener } from 'node:diagnostics_channel'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { running } from '../context.ts'
import { ClientSpan, type Outcome } from './client-span.ts'

/** The parts we use of a request by `undici`, in any version. */
interface UndiciRequest {
  readonly origin: string | URL
  readonly path: string
  readonly method: string
  readonly upgrade?: string | boolean | null
  /** Alternating names and values; before version 6 one text with lines. */
  readonly headers: readonly unknown[] | string
  addHeader(name: string, value: string): unknown
}

const spans = new WeakMap<object, ClientSpan>()

/** @returns a function that stops it */
export function traceClients(): () => void {
  for (const [channel, listener] of LISTENERS) subscribe(channel, listener)
  return () => {
    for (const [channel, listener] of LISTENERS) unsubscribe(channel, listener)
  }
}

const LISTENERS: [string, ChannelListener][] = [
  ['http.client.request.created', message => beginHttp((message as { request: ClientRequest }).request)],
  [
    'http.client.response.finish',
    message => {
      const { request, response } = message as { request: ClientRequest; response: IncomingMessage }
      endHttp(request, { status: response.statusCode ?? 0 })
    },
  ],
  [
    'http.client.request.error',
    message => {
      const { request, error } = message as { request: ClientRequest; error: unknown }
      endHttp(request, { error })
    },
  ],
  ['undici:request:create', message => beginUndici((message as { request: UndiciRequest }).request)],
  [
    'undici:request:headers',
    message => {
      const { request, response } = message as { request: UndiciRequest; response: { statusCode: number } }
      endUndici(request, { status: response.statusCode })
    },
  ],
  [
    'undici:request:error',
    message => {
      const { request, error } = message as { request: UndiciRequest; error: unknown }
      endUndici(request, { error })
    },
  ],
]

function beginHttp(request: ClientRequest): void {
  const invocation = running.getStore()
  if (invocation === undefined || request.headersSent) return
  if (request.method === 'CONNECT' || request.hasHeader('upgrade') || ('socketPath' in request && request.socketPath))
    return
  const span = ClientSpan.begin(invocation, {
    has: name => request.hasHeader(name),
    set: (name, value) => void request.setHeader(name, value),
  })
  if (span !== undefined) spans.set(request, span)
}

function endHttp(request: ClientRequest, outcome: Outcome): void {
  const span = taken(request)
  // The user replaced our `traceparent`: the request belongs to the user's own trace.
  if (span === undefined || request.getHeader('traceparent') !== span.traceParent) return
  span.end(outcome, () => {
    const { method, protocol, path } = request
    const isWhole = URL.canParse(path) // Absolute form, as for a proxy.
    return { method, url: isWhole ? path : `${protocol}//${String(request.getHeader('host') ?? request.host)}${path}` }
  })
}

function beginUndici(request: UndiciRequest): void {
  const invocation = running.getStore()
  if (invocation === undefined || request.method === 'CONNECT' || request.upgrade) return
  const { headers } = request
  const lines = typeof headers === 'string' ? headers.split('\r\n') : headers.filter((_, at) => at % 2 === 0)
  const names = new Set(lines.map(line => String(line).split(':', 1)[0]!.toLowerCase()))
  const span = ClientSpan.begin(invocation, {
    has: name => names.has(name),
    set: (name, value) => void request.addHeader(name, value),
  })
  if (span !== undefined) spans.set(request, span)
}

function endUndici(request: UndiciRequest, outcome: Outcome): void {
  const { method, origin, path } = request
  taken(request)?.end(outcome, () => ({ method, url: `${String(origin)}${path}` }))
}

/** The span of a request; it ends only once. */
function taken(request: object): ClientSpan | undefined {
  const span = spans.get(request)
  spans.delete(request)
  return span
}
