/**
 * One call from the client's head to the last byte of the answer: picks an instance, retries where that is safe,
 * streams both ways, keeps the time.
 *
 * Invariants:
 * 1. A request is sent again only if its body can be (see `RequestBody`), nothing of an answer went to the client, and
 *    either no byte of it was sent, or the instance said that it did not run it (503 FUNCTION_UNAVAILABLE,
 *    429 FUNCTION_OVERLOADED; 421 of another instance that has the address by now), or its method is idempotent.
 * 2. A request that may have run is never made to wait for a new instance; one that surely has not may wait.
 * 3. The client never gets a silently shortened answer: once a head is out, a failure destroys the client's connection.
 * 4. The call ends once (`finish`), whatever ends it first: answer, error, timeout, client.
 */
import { PLATFORM_ERRORS, type PlatformErrorCode } from '@ryo-faas/runtime/protocol'
import { isSampled, type Tracing } from '@ryo-faas/runtime/telemetry'
import { callerLine } from '../access/caller-line.ts'
import { clientHeaders, errorLabelOf, passHintsOn, platformCodeOf, writeAnswerHead } from './answer-head.ts'
import { Attempts } from './attempts.ts'
import type { Call } from './call.ts'
import type { ClientSocket } from './client.ts'
import { recordCall } from './call-span.ts'
import { linger, RequestBody } from './request-body.ts'
import { errorAnswer } from './refuse.ts'
import { withoutNamed } from './request-head.ts'
import type { Routes, Waiter } from '../routing/routes.ts'
import type { Instance, ResponseHead, ResponseSink, UpstreamConnection, UpstreamError } from '../upstream/index.ts'

/** Delay between tries of instances that refuse connections, unless a new table arrives. */
const RECONNECT_MS = 250
const ALL_BUSY = 'every instance is at its concurrency limit'
const GONE = 'the instance went away before it had answered'

export interface ExchangeContext {
  routes: Routes
  tracing: Tracing
  readyTimeoutMs: number
  /** Sent to an instance of this route with the dispatcher's requests: whole header lines. */
  deliveryLineOf: (route: string) => string
}

export class Exchange implements ResponseSink, Waiter {
  private readonly context: ExchangeContext
  private readonly call: Call
  private readonly body: RequestBody | undefined
  private readonly startedAt: number
  private readonly attempts = new Attempts()
  private instance: Instance | undefined
  private connection: UpstreamConnection | undefined
  private timer: NodeJS.Timeout | undefined
  private waitTimer: NodeJS.Timeout | undefined
  private timeoutAt = 0
  private waitUntil = 0
  /** When it began to wait, if it does. */
  private heldAt = 0
  /** How long it has waited for an instance. */
  private heldMs = 0
  private owesContinue: boolean
  /** For the response head, which is not sent yet. */
  private owedHeaders: string[] | undefined
  private status = 0
  private errorCode: string | undefined
  private isDone = false

  constructor(context: ExchangeContext, call: Call) {
    this.context = context
    this.call = call
    const { bodyLength } = call.head
    const limitBytes = call.entry.route.bodyLimitBytes ?? Infinity
    const onTooLarge = () => this.fail('PAYLOAD_TOO_LARGE', tooLarge(limitBytes))
    this.body =
      bodyLength === 0
        ? undefined
        : new RequestBody(call.request, { isChunked: bodyLength < 0, limitBytes, onTooLarge })
    this.owesContinue = call.expectsContinue
    this.startedAt = performance.now()
    call.metrics.inflight += 1
    call.entry.begun += 1
    context.routes.demand.changed(call.entry)
    call.response.on('close', () => this.clientClosed())
  }

  start(): void {
    this.dispatch()
  }

  // Choosing and waiting

  private dispatch(): void {
    const { entry, head } = this.call
    const now = performance.now()
    const choice = this.attempts.choose(entry, now)
    if (choice === 'none' || choice === 'busy') return this.wait(choice, now)
    this.stopWaiting()
    if (this.timer === undefined) {
      const limitMs = Math.min(entry.route.timeoutMs, head.deadlineMs)
      this.timeoutAt = now + limitMs
      this.timer = setTimeout(onTimeout, limitMs, this)
    }
    this.attempts.begin()
    this.instance = choice
    choice.inflight += 1
    const connection = choice.acquire({ now, fresh: this.attempts.needsFresh })
    this.connection = connection
    connection.open(this)
    if (connection.isConnected) this.transmit(connection, now)
  }

  private wait(choice: 'none' | 'busy', now: number): void {
    const { entry, head } = this.call
    // Invariant 2.
    if (this.attempts.mayHaveRun) {
      return choice === 'busy' ? this.fail('FUNCTION_OVERLOADED', ALL_BUSY) : this.fail('FUNCTION_CRASHED', GONE)
    }
    if (this.waitUntil === 0) this.waitUntil = now + Math.min(this.context.readyTimeoutMs, head.deadlineMs)
    const remainingMs = this.waitUntil - now
    if (remainingMs <= 0) {
      if (choice === 'busy') return this.fail('FUNCTION_OVERLOADED', ALL_BUSY)
      const { unavailable } = entry.route
      return this.fail(
        'FUNCTION_UNAVAILABLE',
        `no instance is ready${unavailable === undefined ? '' : `: ${unavailable}`}`,
      )
    }
    const none = this.context.routes.enqueue(entry, this, choice)
    if (none !== undefined) return this.fail(none.code, none.reason)
    if (this.waitTimer === undefined) this.heldAt = now
    clearTimeout(this.waitTimer)
    const waitMs = this.attempts.hasRefused ? Math.min(remainingMs, RECONNECT_MS) : remainingMs
    this.waitTimer = setTimeout(() => this.wake(), waitMs)
  }

  wake(): void {
    if (this.isDone) return
    this.attempts.newRound()
    this.dispatch()
  }

  turnAway(reason: string): void {
    this.fail('FUNCTION_UNAVAILABLE', reason)
  }

  dismiss(): void {
    this.fail('FUNCTION_NOT_FOUND', `there is no function ${this.call.entry.name}`)
  }

  private stopWaiting(): void {
    if (this.waitTimer === undefined) return
    clearTimeout(this.waitTimer)
    this.waitTimer = undefined
    this.heldMs += performance.now() - this.heldAt
    this.context.routes.dequeue(this.call.entry, this)
  }

  // Request

  onConnected(): void {
    this.transmit(this.connection!, performance.now())
  }

  private transmit(connection: UpstreamConnection, now: number): void {
    const { request, head, path, paramsLine, entry } = this.call
    const method = request.method!
    const deadlineMs = Math.max(1, Math.round(this.timeoutAt - now))
    const { caller, shown } = this.call
    const lines = shown === undefined ? head.lines : withoutNamed(head.lines, new Set([shown]))
    const who = caller === undefined ? '' : callerLine(caller)
    // An instance believes only the platform who called.
    const delivery = head.isDispatched || who !== '' ? this.context.deliveryLineOf(entry.name) : ''
    const text = `${method} ${path} HTTP/1.1\r\n${lines}${paramsLine}${who}${delivery}X-Ryo-Faas-Deadline-Ms: ${deadlineMs}\r\n`
    const isUpgrade = this.call.tunnel !== undefined
    if (this.body === undefined) {
      connection.send(text, { method, isUpgrade, isComplete: true })
      return
    }
    if (this.owesContinue) this.call.response.writeContinue()
    this.owesContinue = false
    const begun = this.body.start()
    if (this.body.isTooLarge) return this.fail('PAYLOAD_TOO_LARGE', tooLarge(this.call.entry.route.bodyLimitBytes!))
    connection.send(text, { method, isUpgrade, ...begun })
    this.body.attach(connection)
  }

  onDrain(): void {
    this.body?.drained()
  }

  // Answer

  onWhole(head: ResponseHead, body: string): void {
    const code = platformCodeOf(head, this.instance!.id)
    if (code !== undefined && this.tryElsewhere(code)) return
    const { response } = this.call
    writeAnswerHead(response, head.status, clientHeaders(head, this.call, code))
    response.end(body, 'latin1')
    this.finish(head.status, errorLabelOf(head.status, code))
  }

  onHead(head: ResponseHead): void {
    const code = platformCodeOf(head, this.instance!.id)
    if (code !== undefined && this.tryElsewhere(code)) return
    this.body?.forget()
    this.status = head.status
    this.errorCode = errorLabelOf(head.status, code)
    this.owedHeaders = clientHeaders(head, this.call, code)
    process.nextTick(sendHead, this)
  }

  /** With the first of the body, or when the read has ended: a body that is malformed from its start is still 502. */
  sendHead(): void {
    const headers = this.owedHeaders
    if (headers === undefined) return
    this.owedHeaders = undefined
    const { response } = this.call
    // What follows in the same read leaves in the same write. The socket is corked and not the response, which sends the
    // end of a chunked body before the chunks it holds back (`OutgoingMessage.end` of Node 24).
    if (response.socket !== null) {
      response.socket.cork()
      process.nextTick(uncork, response.socket)
    }
    writeAnswerHead(response, this.status, headers)
    response.flushHeaders()
    response.on('drain', () => this.connection?.resume())
  }

  onData(piece: Buffer): void {
    this.sendHead()
    if (!this.call.response.write(Buffer.from(piece))) this.connection?.pause()
  }

  onEnd(): void {
    this.sendHead()
    this.call.response.end()
    this.finish(this.status, this.errorCode)
  }

  onInformational(head: ResponseHead): void {
    passHintsOn(head, this.call)
  }

  onUpgrade(head: ResponseHead, rest: Buffer): void {
    this.status = 101
    clearTimeout(this.timer)
    const connection = this.connection!
    const onDone = () => this.finish(101, undefined)
    connection.open(
      this.call.tunnel!({ upstream: connection, head, rest, requestId: this.call.head.requestId, onDone }),
    )
  }

  /** The instance says that it has not run the request: another may. */
  private tryElsewhere(code: PlatformErrorCode): boolean {
    if (code !== 'FUNCTION_UNAVAILABLE' && code !== 'FUNCTION_OVERLOADED') return false
    if (this.body !== undefined && !this.body.isReplayable) return false
    if (code === 'FUNCTION_UNAVAILABLE') this.attempts.exclude(this.instance!)
    else {
      const { entry } = this.call
      this.attempts.overloadedBy(this.instance!)
      const other = this.attempts.choose(entry, performance.now())
      if ((other === 'none' || other === 'busy') && (!entry.mayGrow || this.attempts.mayHaveRun)) return false
    }
    this.endAttempt()
    this.dispatch()
    return true
  }

  // Failure

  onFailed(error: UpstreamError): void {
    const { response, request } = this.call
    if (response.headersSent) {
      // Invariant 3.
      response.destroy()
      return this.finish(this.status, 'FUNCTION_CRASHED')
    }
    const wasReused = this.connection!.isReused
    const instance = this.instance!
    this.endAttempt()
    const isReplayable = this.body === undefined || this.body.isReplayable
    if (error.kind === 'connect') {
      this.attempts.refusedBy(instance, performance.now())
      return this.dispatch()
    }
    if (error.kind === 'misdirected' || error.kind === 'stranger') instance.lost()
    if (error.kind === 'misdirected') {
      if (!isReplayable) return this.fail('FUNCTION_UNAVAILABLE', 'the instance is gone')
      return this.dispatch()
    }
    const mayRerun = isReplayable && this.attempts.mayRerun(request.method!)
    if ((error.kind !== 'closed' && error.kind !== 'stranger') || !mayRerun) {
      return this.fail('FUNCTION_CRASHED', reasonOf(error))
    }
    this.attempts.rerunAfter(instance, wasReused)
    this.dispatch()
  }

  timedOut(): void {
    if (this.isDone) return
    this.stopWaiting()
    this.fail('FUNCTION_TIMEOUT', 'the function took longer than its limit')
  }

  private clientClosed(): void {
    if (this.isDone) return
    this.stopWaiting()
    this.connection?.destroy()
    this.finish(this.status, this.errorCode ?? 'CLIENT_ABORTED')
  }

  /** Ends the call with the platform's own response. */
  fail(code: PlatformErrorCode, message: string): void {
    const { response, head } = this.call
    this.stopWaiting()
    this.connection?.destroy()
    if (response.headersSent) {
      response.destroy()
    } else {
      const error = errorAnswer({ code, reason: message, requestId: head.requestId })
      response.writeHead(error.status, error.headers)
      response.end(error.body)
    }
    this.finish(PLATFORM_ERRORS[code], code)
  }

  private endAttempt(): void {
    this.leaveInstance()
    this.connection?.destroy()
    this.connection = undefined
    this.body?.detach()
  }

  private leaveInstance(): void {
    if (this.instance === undefined) return
    this.instance.inflight -= 1
    this.instance = undefined
    this.call.entry.freed()
  }

  /** Invariant 4. */
  private finish(status: number, errorCode: string | undefined): void {
    if (this.isDone) return
    this.isDone = true
    this.owedHeaders = undefined
    clearTimeout(this.timer)
    const { metrics, request } = this.call
    const durationMs = performance.now() - this.startedAt
    metrics.inflight -= 1
    metrics.record(status, durationMs, errorCode)
    const { tracing } = this.context
    if (tracing.isOn && isSampled(this.call.head.trace)) metrics.exemplify(durationMs, this.call.head.trace.traceId)
    if (tracing.isOn) {
      const attributes = this.heldMs > 0 ? { 'ryo_faas.held_ms': Math.round(this.heldMs) } : undefined
      recordCall(tracing, this.call, { status, errorCode, durationMs, instance: this.instance?.id, attributes })
    }
    this.leaveInstance()
    this.context.routes.demand.changed(this.call.entry)
    this.connection = undefined
    this.body?.abandon()
    if (this.body !== undefined && !request.complete) linger(request)
  }
}

function uncork(socket: ClientSocket): void {
  socket.uncork()
}

function sendHead(exchange: Exchange): void {
  exchange.sendHead()
}

/** The caller's error for a body that is too large for its function. */
export function tooLarge(limitBytes: number): string {
  return `the request body is larger than ${limitBytes} bytes`
}

/** What became of an instance that gave no answer that could be passed on. */
function reasonOf({ kind, message }: UpstreamError): string {
  switch (kind) {
    case 'protocol':
      return `the answer of the instance cannot be passed on: ${message}`
    case 'stranger':
      return 'another program answers at the address of the instance'
    default:
      return GONE
  }
}

function onTimeout(exchange: Exchange): void {
  exchange.timedOut()
}
