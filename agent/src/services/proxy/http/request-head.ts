/**
 * Turns a client's request head into the one an instance gets, and refuses what llhttp lets pass.
 *
 * Invariants: 1. Where the message ends is decided here once and written again: at most one of `Content-Length` and
 * `Transfer-Encoding: chunked`, whatever the client nominated in `Connection`. 2. Hop-by-hop headers and those that
 * only the platform may set end here (RFC 9110 §7.6.1). 3. Exactly one `Host`. 4. Call id, attempt and caller are accepted
 * only from the dispatcher, and its proof is not passed on. 5. An event depth passes only with its signature. 6. Claims
 * about a request's origin are trusted from the dispatcher and trusted peers only; for others we write what we see.
 */
import { CONNECTION_HEADERS, HEADERS } from '@ryo-faas/runtime/protocol'
import {
  formatTraceParent,
  isRequestId,
  parseTraceContext,
  type IdSource,
  type TraceContext,
  type Tracing,
} from '@ryo-faas/runtime/telemetry'
import { depthOf, isSameSecret } from '../../../access/index.ts'
import { callerLine } from '../access/caller-line.ts'
import { plainAddress } from '../access/peer-share.ts'
import type { TrustedPeers } from '../access/trusted-peers.ts'
import { connectionOptions } from '../upstream/index.ts'
import type { ClientRequest } from './client.ts'

export interface RequestHead {
  readonly kind: 'ok'
  /** Header lines that are the same on every attempt, each with its CRLF. */
  readonly lines: string
  readonly requestId: string
  /** Bytes of body: 0 if none, -1 if chunked. */
  readonly bodyLength: number
  /** The client's own limit in milliseconds; Infinity if it set none. */
  readonly deadlineMs: number
  /** Context of the span of this request, which the instance gets as its parent. */
  readonly trace: TraceContext
  readonly parentSpanId: string | undefined
  /** The client prefers not to wait (`Prefer: respond-async`, RFC 7240 §4.1). */
  readonly prefersAsync: boolean
  /** It comes from the dispatcher: run it now. */
  readonly isDispatched: boolean
  /** Its claims about its origin (`X-Forwarded-*` and the like) are trusted. */
  readonly isOriginTrusted: boolean
}
export type RequestHeadResult = RequestHead | { kind: 'bad'; reason: string }

interface Incoming {
  host: string | undefined
  contentLength: string | undefined
  transferEncoding: string | undefined
  connection: string | undefined
  upgrade: string | undefined
  forwardedFor: string | undefined
  forwardedProto: string | undefined
  forwardedHost: string | undefined
  forwarded: string | undefined
  realIp: string | undefined
  requestId: string | undefined
  traceParent: string | undefined
  traceState: string | undefined
  deadline: string | undefined
  prefer: string | undefined
  dispatch: string | undefined
  callId: string | undefined
  callAttempt: string | undefined
  eventDepth: string | undefined
  caller: string | undefined
}

/** Headers that do not simply pass: read, rewritten or dropped. Null drops. */
const SPECIAL = new Map<string, keyof Incoming | null>([
  ...Array.from(CONNECTION_HEADERS, name => [name, null] as const),
  ['host', 'host'],
  ['content-length', 'contentLength'],
  ['transfer-encoding', 'transferEncoding'],
  ['connection', 'connection'],
  ['upgrade', 'upgrade'],
  ['x-forwarded-for', 'forwardedFor'],
  ['x-forwarded-proto', 'forwardedProto'],
  ['x-forwarded-host', 'forwardedHost'],
  ['forwarded', 'forwarded'],
  ['x-real-ip', 'realIp'],
  [HEADERS.requestId, 'requestId'],
  ['traceparent', 'traceParent'],
  ['tracestate', 'traceState'],
  [HEADERS.deadlineMs, 'deadline'],
  ['prefer', 'prefer'],
  [HEADERS.dispatch, 'dispatch'],
  [HEADERS.callId, 'callId'],
  [HEADERS.callAttempt, 'callAttempt'],
  [HEADERS.eventDepth, 'eventDepth'],
  [HEADERS.caller, 'caller'],
  ['expect', null],
  ['http2-settings', null],
  ['proxy-authorization', null],
])
/** What a request claims about its origin. */
export const ORIGIN_HEADERS: readonly string[] = [
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'forwarded',
  'x-real-ip',
]
const INTERNAL_PREFIX = 'x-ryo-faas-'
const RESPOND_ASYNC = /(?:^|,)[ \t]*respond-async[ \t]*(?:[;,]|$)/i
/** uri-host and port (RFC 9110 §7.2), loosely: nothing that could end a header or start a path. */
const HOST = /^[A-Za-z0-9\-._~!$&'()*+,;=:%[\]]*$/

export function rewriteRequestHead(
  request: ClientRequest,
  options: {
    ids: IdSource
    tracing: Tracing
    isUpgrade: boolean
    dispatchToken: string | undefined
    functionsKey: string | undefined
    trusted: TrustedPeers
  },
): RequestHeadResult {
  const incoming: Incoming = {
    host: undefined,
    contentLength: undefined,
    transferEncoding: undefined,
    connection: undefined,
    upgrade: undefined,
    forwardedFor: undefined,
    forwardedProto: undefined,
    forwardedHost: undefined,
    forwarded: undefined,
    realIp: undefined,
    requestId: undefined,
    traceParent: undefined,
    traceState: undefined,
    deadline: undefined,
    prefer: undefined,
    dispatch: undefined,
    callId: undefined,
    callAttempt: undefined,
    eventDepth: undefined,
    caller: undefined,
  }
  if (request.httpVersionMajor !== 1) return bad('unsupported HTTP version')
  const raw = request.rawHeaders
  let lines = ''
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!
    const value = raw[i + 1]!
    const lower = name.toLowerCase()
    const field = SPECIAL.get(lower)
    if (field === undefined) {
      if (!lower.startsWith(INTERNAL_PREFIX)) lines += `${name}: ${value}\r\n`
    } else if (field !== null) {
      const before = incoming[field]
      if (before !== undefined && (field === 'host' || field === 'contentLength')) return bad(`two ${lower} headers`)
      incoming[field] = before === undefined ? value : `${before}, ${value}`
    }
  }

  const { host, connection } = incoming
  const isOldHttp = request.httpVersionMinor === 0
  if (host === undefined ? !isOldHttp : !HOST.test(host)) return bad('missing or malformed host')
  const bodyLength = framing(incoming, isOldHttp)
  if (typeof bodyLength === 'string') return bad(bodyLength)
  if (incoming.prefer !== undefined) lines += `Prefer: ${incoming.prefer}\r\n`
  if (connection !== undefined && connection !== 'keep-alive' && connection !== 'close') {
    const named = connectionOptions(connection)
    lines = withoutNamed(lines, named)
  }
  lines = `Host: ${host ?? ''}\r\n${lines}`
  if (bodyLength > 0) lines += `Content-Length: ${bodyLength}\r\n`
  else if (bodyLength < 0) lines += 'Transfer-Encoding: chunked\r\n'
  else if (incoming.contentLength !== undefined) lines += 'Content-Length: 0\r\n'
  if (options.isUpgrade) lines += `Connection: Upgrade\r\nUpgrade: ${incoming.upgrade ?? ''}\r\n`

  const requestId = incoming.requestId !== undefined && isRequestId(incoming.requestId) ? incoming.requestId : undefined
  const id = requestId ?? options.ids.traceId()
  const parent = parseTraceContext(incoming.traceParent, incoming.traceState)
  const trace = options.tracing.begin(parent, requestId === undefined ? id : undefined)
  const { dispatchToken } = options
  const isDispatched =
    dispatchToken !== undefined && incoming.dispatch !== undefined && isSameSecret(incoming.dispatch, dispatchToken)
  const isOriginTrusted = isDispatched || options.trusted.has(clientAddress(request))
  lines += forwarding(incoming, { request, isOriginTrusted }) + `traceparent: ${formatTraceParent(trace)}\r\n`
  if (trace.traceState !== undefined) lines += `tracestate: ${trace.traceState}\r\n`
  lines += `X-Request-Id: ${id}\r\n`
  if (incoming.eventDepth !== undefined && depthOf(options.functionsKey, incoming.eventDepth) > 0) {
    lines += `X-Event-Depth: ${incoming.eventDepth}\r\n`
  }
  if (isDispatched) {
    if (incoming.callId !== undefined) lines += `X-Call-Id: ${incoming.callId}\r\n`
    if (incoming.callAttempt !== undefined) lines += `X-Call-Attempt: ${incoming.callAttempt}\r\n`
    if (incoming.caller !== undefined) lines += callerLine(incoming.caller)
  }
  return {
    kind: 'ok',
    lines,
    requestId: id,
    bodyLength,
    deadlineMs: deadline(incoming.deadline),
    trace,
    parentSpanId: parent?.spanId,
    prefersAsync: incoming.prefer !== undefined && RESPOND_ASYNC.test(incoming.prefer),
    isDispatched,
    isOriginTrusted,
  }
}

function bad(reason: string): RequestHeadResult {
  return { kind: 'bad', reason }
}

/** Length of the body, -1 for chunked, or what is wrong (RFC 9112 §6.3). */
function framing({ contentLength, transferEncoding }: Incoming, isOldHttp: boolean): number | string {
  if (transferEncoding !== undefined) {
    if (contentLength !== undefined) return 'content-length together with transfer-encoding'
    if (isOldHttp) return 'transfer-encoding in HTTP/1.0'
    return transferEncoding.toLowerCase() === 'chunked' ? -1 : 'unknown transfer-encoding'
  }
  if (contentLength === undefined) return 0
  return /^[0-9]{1,15}$/.test(contentLength) ? Number(contentLength) : 'malformed content-length'
}

/** Invariant 6. */
function forwarding(incoming: Incoming, from: { request: ClientRequest; isOriginTrusted: boolean }): string {
  const client = clientAddress(from.request)
  const scheme = schemeOf(from.request)
  if (!from.isOriginTrusted) return forwardedLines(client, scheme, incoming.host ?? '')
  const { forwardedFor, forwardedProto, forwardedHost, forwarded, realIp } = incoming
  const chain = forwardedFor === undefined ? client : `${forwardedFor}, ${client}`
  let lines = forwardedLines(chain, forwardedProto ?? scheme, forwardedHost ?? incoming.host ?? '')
  if (forwarded !== undefined) lines += `Forwarded: ${forwarded}\r\n`
  if (realIp !== undefined) lines += `X-Real-IP: ${realIp}\r\n`
  return lines
}

function forwardedLines(chain: string, proto: string, host: string): string {
  return `X-Forwarded-For: ${chain}\r\nX-Forwarded-Proto: ${proto}\r\nX-Forwarded-Host: ${host}\r\n`
}

export function clientAddress(request: ClientRequest): string {
  return plainAddress(request.socket.remoteAddress ?? 'unknown')
}

export function schemeOf({ socket }: ClientRequest): 'http' | 'https' {
  return 'encrypted' in socket && socket.encrypted === true ? 'https' : 'http'
}

/** The host name that the client asked for: lower case, without port. A trusted peer says what it was asked for itself. */
export function hostOf(request: ClientRequest, trusted: TrustedPeers): string | undefined {
  const { host, 'x-forwarded-host': forwarded } = request.headers
  const isForwarded = typeof forwarded === 'string' && trusted.has(clientAddress(request))
  const name = isForwarded ? forwarded.split(',', 1)[0]!.trim() : host
  return name?.toLowerCase().replace(/\.?(?::\d+)?$/, '')
}

function deadline(value: string | undefined): number {
  return value !== undefined && /^[0-9]{1,12}$/.test(value) ? Math.max(1, Number(value)) : Infinity
}

export function withoutNamed(lines: string, named: ReadonlySet<string>): string {
  return lines
    .split('\r\n')
    .filter(line => line !== '' && !named.has(line.slice(0, line.indexOf(':')).toLowerCase()))
    .map(line => `${line}\r\n`)
    .join('')
}
