/**
 * One run of the handler, from admission to release.
 *
 * 1. It is released once the response has closed and the handler and what it told us to wait for have settled; what
 *    never settles is given up at the deadline. Until then it is in flight, for the concurrency limit and for the drain.
 * 2. Nothing is created before it is used (request id, abort signal): most handlers need none of it.
 * 3. The platform answers at most once, and only while nothing has been sent; then it can only cut the connection.
 * 4. An upgraded connection belongs to the handler that took it: no deadline, in flight until it closes.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { running, type Caller, type FunctionContext, type RunningInvocation } from '../context.ts'
import type { InvocationCounts } from '../metrics.ts'
import type { InstanceOptions } from '../options.ts'
import { HEADERS, type PlatformErrorCode } from '../protocol/index.ts'
import { InvocationSpan } from '../spans/invocation-span.ts'
import { consoleOutlet, systemClock, type Clock, type Instance, type Outlet } from './instance.ts'
import { InvocationContext } from './invocation-context.ts'
import { hideHeaders } from './hide-headers.ts'
import { takeCaller } from './caller.ts'
import { answerPlatformError } from './platform-answer.ts'

/** `setTimeout` fires at once beyond this. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Errors in a handler because its invocation is already over; the log has the reason, not the echoes. */
const ECHO_CODES = new Set([
  'ERR_HTTP_HEADERS_SENT',
  'ERR_STREAM_WRITE_AFTER_END',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ECONNRESET',
])

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** For a request to switch protocols. */
  readonly upgrade?: { readonly socket: Socket; readonly head: Buffer }
}

/** Shared by all invocations of an instance. */
export interface InvocationOwner extends Instance {
  readonly counts: InvocationCounts
  /** Invocations started. */
  begun: number
  release(invocation: Invocation): void
}

export class Invocation implements RunningInvocation {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly upgrade: Exchange['upgrade']
  readonly headers: IncomingHttpHeaders
  readonly context: FunctionContext
  readonly span: InvocationSpan
  readonly params: Readonly<Record<string, string>>
  readonly caller: Caller | undefined
  /**
   * The Request of a web-style handler, held for the whole invocation: its signal follows ours only
   * while the Request itself is referenced, and a handler may hold only the signal.
   */
  webRequest: Request | undefined
  readonly #owner: InvocationOwner
  readonly #clock: Clock
  readonly #startedAt: number
  readonly #timeoutMs: number
  readonly #cancelDeadline: (() => void) | undefined
  readonly #bytesBeforeUpgrade: number
  /** The first invocation of its instance. */
  readonly #isCold: boolean
  #requestId: string | undefined
  #abortController: AbortController | undefined
  #abortReason: Error | undefined
  #responseClosed = false
  #handlerSettled = false
  /** What `waitUntil` was told and has not settled. */
  #background: Set<Promise<void>> | undefined
  #failed = false
  #expired = false
  #answeredByPlatform = false

  constructor({ request, response, upgrade }: Exchange, owner: InvocationOwner) {
    this.request = request
    this.response = response
    this.upgrade = upgrade
    this.headers = request.headers
    this.#owner = owner
    this.#clock = owner.clock ?? systemClock
    this.#startedAt = this.#clock.now()
    this.params = takeParams(request)
    this.caller = takeCaller(request)
    this.#bytesBeforeUpgrade = upgrade?.socket.bytesWritten ?? 0
    this.#timeoutMs = Math.min(owner.options.timeoutMs || Infinity, callerDeadlineMs(this.headers))
    if (this.#timeoutMs !== Infinity) {
      this.#cancelDeadline = this.#clock.after(Math.min(this.#timeoutMs, LONGEST_TIMER_MS), () => this.#expire())
    }
    this.#isCold = owner.begun === 0
    owner.begun += 1
    this.span = new InvocationSpan(owner.tracing, this.headers)
    this.context = new InvocationContext(this)
    response.once('close', () => this.#closeResponse())
  }

  get options(): InstanceOptions {
    return this.#owner.options
  }

  get proxyUrl(): string | undefined {
    return this.options.proxyUrl
  }

  get storeUrl(): string | undefined {
    return this.options.storeUrl
  }

  get token(): string | undefined {
    return this.options.token
  }

  get send(): typeof fetch | undefined {
    return this.#owner.send
  }

  get outlet(): Outlet {
    return this.#owner.outlet ?? consoleOutlet
  }

  get requestId(): string {
    return (this.#requestId ??= requestIdOf(this.request))
  }

  get signal(): AbortSignal {
    this.#abortController ??= new AbortController()
    if (this.#abortReason) this.#abortController.abort(this.#abortReason)
    return this.#abortController.signal
  }

  remainingMs(): number {
    return Math.max(0, this.#timeoutMs - (this.#clock.now() - this.#startedAt))
  }

  /** Tells the handler that its answer is no longer wanted; only the first reason counts. */
  abort(reason: Error): void {
    if (this.#abortReason) return
    this.#abortReason = reason
    // The handler's listeners belong to its invocation, although the platform runs them.
    if (this.#abortController) running.run(this, () => this.#abortController?.abort(reason))
  }

  /** The handler threw, rejected, or left an uncaught error. */
  fail(error: unknown): void {
    if (this.#isEcho(error)) return
    this.span.addException(error)
    this.outlet.error(`Invocation ${this.requestId} of ${this.options.name} failed:`, error, this.requestId)
    if (this.#responseClosed) return
    if (!this.#failed) this.#owner.counts.errors++
    this.#failed = true
    this.#answer('FUNCTION_ERROR', 'The function failed; its log has the details.')
  }

  /** The request cannot be passed to the handler, or not to its end. */
  refuse(code: 'BAD_REQUEST' | 'PAYLOAD_TOO_LARGE' | 'FUNCTION_NOT_FOUND', message: string): void {
    this.#answer(code, message)
  }

  waitUntil(work: PromiseLike<unknown>): void {
    const background = (this.#background ??= new Set())
    const settled = Promise.resolve(work)
      .then(
        () => {},
        (error: unknown) => {
          if (this.#isEcho(error)) return
          this.outlet.error(`Background work of invocation ${this.requestId} failed:`, error, this.requestId)
        },
      )
      .finally(() => background.delete(settled))
    background.add(settled)
  }

  /** The handler returned, or its promise has settled. */
  settle(): void {
    if (this.#background?.size) void Promise.all(this.#background).then(() => this.settle())
    else this.#settle()
  }

  #settle(): void {
    this.#handlerSettled = true
    this.#releaseIfOver()
  }

  /** The instance accepts no new work: clients must use another connection, upgraded ones should close. */
  startDraining(): void {
    if (!this.response.headersSent) this.response.shouldKeepAlive = false
    if (this.#isUpgraded) this.abort(new DOMException('The instance is about to stop', 'AbortError'))
  }

  /** The handler has taken over the socket, which shows in bytes that did not pass through the response. */
  get #isUpgraded(): boolean {
    return (
      this.upgrade !== undefined &&
      !this.response.headersSent &&
      this.upgrade.socket.bytesWritten > this.#bytesBeforeUpgrade
    )
  }

  #expire(): void {
    if (this.#isUpgraded) return
    this.#expired = true
    if (!this.#responseClosed && !this.response.writableEnded) {
      this.#owner.counts.timeouts++
      console.error(
        `Invocation ${this.requestId} of ${this.options.name} exceeded its deadline of ${this.#timeoutMs} ms`,
      )
      this.#answer('FUNCTION_TIMEOUT', `The function did not finish within ${this.#timeoutMs} ms.`)
    }
    this.abort(new DOMException('The deadline of the invocation has passed', 'TimeoutError'))
    this.#releaseIfOver()
  }

  #answer(code: PlatformErrorCode, message: string): void {
    if (this.#answeredByPlatform || this.response.writableEnded) return
    this.#answeredByPlatform = true
    if (this.response.headersSent || this.#isUpgraded) {
      this.response.destroy()
      return
    }
    const close = !this.request.complete
    const { instance } = this.options
    answerPlatformError(this.request, this.response, { code, message, requestId: this.requestId, instance, close })
  }

  #isEcho(error: unknown): boolean {
    if (!this.#answeredByPlatform && !this.#abortReason) return false
    if (error === this.#abortReason) return true
    return (
      error instanceof Error && (error.name === 'AbortError' || ECHO_CODES.has((error as { code?: string }).code ?? ''))
    )
  }

  #closeResponse(): void {
    this.#responseClosed = true
    this.#owner.counts.observe((this.#clock.now() - this.#startedAt) / 1000)
    if (!this.response.writableFinished) {
      this.abort(new DOMException('The connection closed before the answer was complete', 'AbortError'))
    }
    this.#releaseIfOver()
  }

  #releaseIfOver(): void {
    if (!this.#responseClosed || !(this.#handlerSettled || this.#expired)) return
    this.#cancelDeadline?.()
    if (this.#owner.tracing.isOn) this.#endSpan()
    this.#owner.release(this)
  }

  #endSpan(): void {
    const status = this.response.statusCode
    const isError = this.#failed || this.#expired || status >= 500
    const end = { name: this.options.name, durationMs: this.#clock.now() - this.#startedAt, isError }
    this.span.end(end, () => ({
      'faas.name': this.options.name,
      'faas.version': String(this.options.version),
      'faas.instance': this.options.instance,
      'faas.coldstart': this.#isCold,
      'http.request.method': this.request.method,
      'url.path': this.request.url?.split('?', 1)[0],
      'http.response.status_code': status,
      'error.type': this.#errorType(status),
      'ryo_faas.call.attempt': this.context.callId === undefined ? undefined : this.context.attempt,
    }))
  }

  #errorType(status: number): string | undefined {
    if (this.#expired) return 'FUNCTION_TIMEOUT'
    if (this.#failed) return 'FUNCTION_ERROR'
    return status >= 500 ? String(status) : undefined
  }
}

export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers[HEADERS.requestId]
  return typeof given === 'string' && given !== '' ? given : crypto.randomUUID()
}

const NO_PARAMS: Readonly<Record<string, string>> = {}

function takeParams(request: IncomingMessage): Readonly<Record<string, string>> {
  const text = request.headers[HEADERS.params]
  if (text === undefined) return NO_PARAMS
  hideHeaders(request, [HEADERS.params])
  try {
    const params: unknown = JSON.parse(decodeURIComponent(String(text)))
    if (typeof params !== 'object' || params === null) return NO_PARAMS
    return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, String(value)]))
  } catch {
    return NO_PARAMS // Not the proxy's.
  }
}

function callerDeadlineMs(headers: IncomingHttpHeaders): number {
  const text = headers[HEADERS.deadlineMs]
  return typeof text === 'string' && /^\d+$/.test(text) ? Number(text) : Infinity
}
