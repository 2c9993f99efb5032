/**
 * The request listener of the data plane: takes what is under `/functions/`, runs it or has it queued, and turns the
 * rest over to fastify.
 *
 * Invariants: 1. A request that is refused here was not forwarded, in whole or in part. 2. A request with a body waits
 * for the end of the current read, so that a body that is malformed from its start is refused with its head. 3. What
 * follows a request whose answer closes the connection is ignored: if it was refused, its end is unknown.
 * 4. No instance or queue sees a request before the gate allows it; without a verdict it is refused.
 */
import { IncomingMessage, ServerResponse, type RequestListener } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Socket } from 'node:net'
import { EVENTS_PREFIX, HEADERS, SCHEDULED_KEY } from '@ryo-faas/runtime/protocol'
import { IdSource } from '@ryo-faas/runtime/telemetry'
import type { Credentials } from '../../../access/index.ts'
import { callerValue } from '../access/caller-line.ts'
import { answerPreflight, isPreflight, setCorsHeaders } from '../access/cors.ts'
import { PASS, refused, Requester, type Gate, type Verdict } from '../access/gate.ts'
import type { AsyncCalls } from '../calls-api/async-calls.ts'
import type { Call } from './call.ts'
import type { ClientRequest, ClientResponse } from './client.ts'
import { Exchange, tooLarge, type ExchangeContext } from './exchange.ts'
import { answerMalformed } from './malformed.ts'
import { METHODS, refuse, type Refusal } from './refuse.ts'
import { hostOf, rewriteRequestHead, type RequestHead } from './request-head.ts'
import { parseTarget } from './target.ts'
import type { TrustedPeers } from '../access/trusted-peers.ts'
import type { RouteMatch } from '../routing/url-router.ts'
import { openTunnel } from './tunnel.ts'

/** Proofs of who is asking, and to instances. */
export interface HopKeys extends Pick<ExchangeContext, 'deliveryLineOf'> {
  credentials: Credentials | undefined
  dispatchToken: string | undefined
  functionsKey: string | undefined
}

export interface HopOptions extends ExchangeContext, HopKeys {
  gate: Gate
  verdictTimeoutMs: number
  bodyTimeoutMs: number
  upgradeIdleMs: number
  trusted: TrustedPeers
  asyncCalls: AsyncCalls
  /** Answers everything that is not a function. */
  fallback: RequestListener
}

/** A request for a function. */
interface Asked {
  target: { name: string; path: string; isAsync: boolean; isEvent: boolean }
  how: Pick<Call, 'expectsContinue' | 'tunnel'>
  /** It came by the path that the deployment names. */
  routed: { params: Record<string, string> | undefined } | undefined
}

const NO_VERDICT = refused('FUNCTION_UNAVAILABLE', 'the access check is currently unavailable')
const RESERVED = { code: 'FUNCTION_NOT_FOUND', reason: 'paths below /.ryo-faas/ belong to the platform' } as const

/** The operator may run a schedule now, as a call in the queue. */
function mayQueue(path: string, { prefersAsync }: RequestHead, requester: Requester): boolean {
  return path === EVENTS_PREFIX + SCHEDULED_KEY && prefersAsync && requester.principal.kind === 'operator'
}

export class Hop {
  private readonly options: HopOptions
  private readonly ids = new IdSource()
  private readonly tunnels = new Set<Duplex>()
  /** The answer to the latest request of each connection. */
  private readonly latest = new WeakMap<Duplex, ServerResponse>()
  isDraining = false
  /** Requests that wait for a verdict. */
  held = 0

  constructor(options: HopOptions) {
    this.options = options
  }

  useKeys(keys: HopKeys): void {
    Object.assign(this.options, keys)
  }

  request(request: ClientRequest, response: ClientResponse, expectsContinue = false): void {
    // Streams of HTTP/2 end, or go on, each for itself.
    if (response instanceof ServerResponse) {
      const answer = response as ServerResponse
      const { socket } = answer.req
      if (!this.isOpen(socket)) return
      this.latest.set(socket, answer)
      // A client that waits for a 100 may or may not send its body after another answer: its end is unknown.
      if (this.isDraining || expectsContinue) answer.shouldKeepAlive = false
    }
    this.route(request, response, { expectsContinue })
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy())
    if (!this.isOpen(socket)) return
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket as Socket)
    socket.on('drain', () => response.emit('drain'))
    // A client that leaves before there is an answer, which an ordinary request notices by itself.
    socket.on('end', () => {
      if (response.socket !== null) socket.destroy()
    })
    response.on('finish', () => {
      response.detachSocket(socket as Socket)
      socket.end(() => socket.destroy())
    })
    // Bytes after the head can only be told from a second request once the instance has agreed to the upgrade.
    const { headers } = request
    if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0) {
      return this.refuse(request, response, { code: 'BAD_REQUEST', reason: 'a request to upgrade carries no body' })
    }
    this.route(request, response, {
      expectsContinue: false,
      tunnel: upgrade => {
        response.detachSocket(socket as Socket)
        this.tunnels.add(socket)
        socket.once('close', () => this.tunnels.delete(socket))
        return openTunnel({ socket: socket as Socket, head, idleMs: this.options.upgradeIdleMs }, upgrade)
      },
    })
  }

  /** The parser cannot go on: what came is not a request, or the body of the latest one is malformed. */
  malformed(error: NodeJS.ErrnoException, socket: Socket): void {
    answerMalformed(error, { socket, latest: this.latest.get(socket), requestId: this.ids.traceId() })
  }

  closeTunnels(): void {
    for (const socket of this.tunnels) socket.destroy()
  }

  /** Invariant 3. */
  private isOpen(socket: Duplex): boolean {
    return this.latest.get(socket)?.shouldKeepAlive !== false
  }

  private route(request: ClientRequest, response: ClientResponse, how: Pick<Call, 'expectsContinue' | 'tunnel'>): void {
    // It would show a page what its browser sent, including cookies (RFC 9110 §9.3.8).
    if (request.method === 'TRACE') {
      return this.refuse(request, response, { code: 'METHOD_NOT_ALLOWED', reason: 'TRACE is not allowed' })
    }
    const target = parseTarget(request.url!)
    switch (target.kind) {
      case 'bad':
        return this.refuse(request, response, { code: 'BAD_REQUEST', reason: target.reason })
      case 'other': {
        const { path } = target
        const found = path === undefined ? undefined : this.match(request, path)
        if (found === undefined) return this.fallBack(request, response, how.expectsContinue)
        if (found.kind === 'wrong-method') return this.refuse(request, response, wrongMethod(request, found.allow))
        const { name, params } = found
        const asked = { name, path: path!, isAsync: false, isEvent: false }
        return this.call(request, response, { target: asked, how, routed: { params } })
      }
      case 'reserved':
        return this.refuse(request, response, RESERVED)
      case 'function':
        return this.call(request, response, { target, how, routed: undefined })
    }
  }

  private match(request: ClientRequest, path: string): RouteMatch | undefined {
    const { routes, trusted } = this.options
    const host = routes.hasDomains ? hostOf(request, trusted) : undefined
    // A preflight is about the request that follows.
    const wanted = isPreflight(request.method, request.headers)
      ? (request.headers['access-control-request-method'] as string)
      : request.method!
    return routes.match(wanted, path, host)
  }

  private call(request: ClientRequest, response: ClientResponse, { target, how, routed }: Asked): void {
    const isUpgrade = how.tunnel !== undefined
    const { ids } = this
    const { routes, tracing, dispatchToken, functionsKey, trusted } = this.options
    const head = rewriteRequestHead(request, { ids, tracing, isUpgrade, dispatchToken, functionsKey, trusted })
    if (head.kind === 'bad') return this.refuse(request, response, { code: 'BAD_REQUEST', reason: head.reason })
    const requester = new Requester(request, this.options.credentials, trusted)
    if (target.isEvent && !head.isDispatched && !mayQueue(target.path, head, requester)) {
      return this.refuse(request, response, RESERVED)
    }
    const { requestId } = head
    const { name, path } = target
    const entry = routes.find(name)
    if (entry === undefined) {
      return this.refuse(request, response, { code: 'FUNCTION_NOT_FOUND', reason: noFunction(name), requestId })
    }
    const { methods } = entry
    const { cors } = entry.route
    if (cors !== undefined) {
      setCorsHeaders(response, cors, request.headers.origin)
      if (isPreflight(request.method, request.headers)) {
        const allow = methods === undefined ? METHODS : [...methods].join(', ')
        return answerPreflight(request, response, { cors, methods: allow, requestId })
      }
    }
    if (methods !== undefined && !methods.has(request.method!) && !head.isDispatched && !target.isEvent) {
      return this.refuse(request, response, { ...wrongMethod(request, [...methods].join(', ')), requestId })
    }
    const params = routed === undefined ? routes.paramsOf(entry, request.method!, path) : routed.params
    const metrics = head.isDispatched ? entry.dispatched : entry.metrics
    const isAsync = !head.isDispatched && (entry.isAsync(path) || target.isAsync || head.prefersAsync)
    const route = routed === undefined ? undefined : entry.route.pattern
    const paramsLine = params === undefined ? '' : paramsLineOf(params)
    const told = { caller: undefined, shown: undefined }
    const call: Call = {
      ...{ request, response, entry, metrics, path, route, paramsLine, head, requester, isAsync },
      ...told,
      ...how,
    }
    const verdict = this.verdictOn(call)
    return 'kind' in verdict ? this.judge(call, verdict) : this.hold(call, verdict)
  }

  private verdictOn({ head, requester, entry }: Call): Verdict | Promise<Verdict> {
    // The dispatcher's requests were allowed when they were queued.
    if (head.isDispatched) return PASS
    try {
      return this.options.gate(requester, entry.route)
    } catch {
      return NO_VERDICT
    }
  }

  private judge(call: Call, verdict: Verdict): void {
    const { request, response, entry, head } = call
    const { requestId } = head
    if (verdict.kind === 'refuse') return this.refuse(request, response, { ...verdict, requestId })
    if (verdict.caller !== undefined) {
      call.caller = callerValue(verdict.caller)
      call.shown = verdict.shown
    }
    const { bodyLimitBytes } = entry.route
    if (bodyLimitBytes !== undefined && head.bodyLength > bodyLimitBytes) {
      return this.refuse(request, response, { code: 'PAYLOAD_TOO_LARGE', reason: tooLarge(bodyLimitBytes), requestId })
    }
    if (call.isAsync) return this.queue(call)
    if (head.bodyLength === 0) new Exchange(this.options, call).start()
    else process.nextTick(startUnlessRefused, this.options, call)
  }

  /** Until there is a verdict the body is not read, and no instance sees the call. Invariant 4. */
  private hold(call: Call, verdict: Promise<Verdict>): void {
    let isHeld = true
    const settle = (settled: Verdict): void => {
      if (!isHeld) return
      isHeld = false
      this.held -= 1
      clearTimeout(timer)
      const { request, response, entry, head } = call
      // The client has left, or its body is malformed.
      if (!request.socket.writable) return
      if (this.options.routes.find(entry.name) === entry) return this.judge(call, settled)
      const { requestId } = head
      this.refuse(request, response, { code: 'FUNCTION_NOT_FOUND', reason: noFunction(entry.name), requestId })
    }
    this.held += 1
    const timer = setTimeout(settle, this.options.verdictTimeoutMs, NO_VERDICT)
    verdict.then(settle, () => settle(NO_VERDICT))
  }

  /** Requests without a function have no function's limit: their bodies arrive soon or are absent. */
  private fallBack(request: ClientRequest, response: ClientResponse, expectsContinue: boolean): void {
    if (!(request instanceof IncomingMessage && response instanceof ServerResponse)) return request.handOver!(response)
    const { method, headers } = request
    const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0
    if (hasBody && (method === 'GET' || method === 'HEAD')) {
      return this.refuse(request, response, { code: 'BAD_REQUEST', reason: `${method} takes no body here` })
    }
    if (hasBody) this.limitBodyTime(request)
    if (expectsContinue) response.writeContinue()
    this.options.fallback(request, response)
  }

  private limitBodyTime(request: IncomingMessage): void {
    const late = Object.assign(new Error('the body is late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' })
    const timer = setTimeout(() => {
      if (!request.complete) this.malformed(late, request.socket)
    }, this.options.bodyTimeoutMs).unref()
    request.once('close', () => clearTimeout(timer))
  }

  private queue(call: Call): void {
    const { request, response, head } = call
    if (call.tunnel !== undefined) {
      return this.refuse(request, response, {
        code: 'UPGRADE_UNSUPPORTED',
        reason: 'an asynchronous call cannot be upgraded',
        requestId: head.requestId,
      })
    }
    const { asyncCalls } = this.options
    if (head.bodyLength === 0) void asyncCalls.accept(call)
    else {
      process.nextTick(() => {
        if (request.socket.writable) void asyncCalls.accept(call)
      })
    }
  }

  private refuse(
    request: ClientRequest,
    response: ClientResponse,
    error: Omit<Refusal, 'requestId'> & { requestId?: string },
  ): void {
    refuse(request, response, { ...error, requestId: error.requestId ?? this.ids.traceId() })
  }
}

function wrongMethod({ method }: ClientRequest, allow: string) {
  return { code: 'METHOD_NOT_ALLOWED', reason: `${method} is not allowed here`, allow } as const
}

function paramsLineOf(params: Record<string, string>): string {
  return `${HEADERS.params}: ${encodeURIComponent(JSON.stringify(params))}\r\n`
}

function noFunction(name: string): string {
  return `there is no function ${name.slice(0, 100)}`
}

/** Invariant 2: the parser may have found the body malformed since, and closed the connection. */
function startUnlessRefused(context: ExchangeContext, call: Call): void {
  if (call.request.socket.writable) new Exchange(context, call).start()
}
