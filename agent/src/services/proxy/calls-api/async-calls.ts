/**
 * Accepts asynchronous calls: one publish into the queue, then 202.
 *
 * Invariants: 1. 202 is sent only after the queue has acknowledged. 2. The request is stored as it came: method,
 * path, query, headers in their order, every byte of the body; left out are the headers that only the platform may set.
 * 3. Publishes are sent at once, however many are in flight. 4. Without a bus the answer is 503 at once.
 */
import { HEADERS, PLATFORM_ERRORS, type PlatformErrorCode } from '@ryo-faas/runtime/protocol'
import { formatTraceParent, type TraceContext, type Tracing } from '@ryo-faas/runtime/telemetry'
import { BusError, CallIdSource, subjectOf, type Bus, type BusAccess } from '../../../bus/index.ts'
import {
  CallbackRule,
  claimKey,
  confirmKey,
  encodeEnvelope,
  getCall,
  idempotencyKey,
  INLINE_BODY_BYTES,
  putBody,
  removeBody,
  type CallHead,
} from '../../../calls/index.ts'
import { recordAcceptance, type Acceptance } from '../http/call-span.ts'
import type { Call } from '../http/call.ts'
import type { ClientRequest } from '../http/client.ts'
import { refuse } from '../http/refuse.ts'
import { clientAddress, ORIGIN_HEADERS } from '../http/request-head.ts'
import { BusLink } from './bus-link.ts'
import { collectBody } from './collect-body.ts'

export interface AsyncCallOptions {
  tracing: Tracing
  nats: BusAccess | undefined
  bodyLimitBytes: number
  callbackAllow: readonly string[]
}

const LONGEST_KEY = 255
const NO_BODY = Buffer.alloc(0)
/** Proofs to the platform are not kept. */
const PLATFORM_HEADERS: readonly string[] = [HEADERS.callId, HEADERS.callAttempt, 'proxy-authorization']

export class AsyncCalls {
  readonly link: BusLink
  private readonly options: AsyncCallOptions
  private callbackRule: CallbackRule
  private readonly ids = new CallIdSource()
  /** Requests not yet accepted or refused. */
  inflight = 0

  constructor(options: AsyncCallOptions) {
    this.options = options
    this.callbackRule = new CallbackRule(options.callbackAllow)
    this.link = new BusLink(options.nats)
  }

  useLimits(limits: Pick<AsyncCallOptions, 'bodyLimitBytes' | 'callbackAllow'>): void {
    Object.assign(this.options, limits)
    this.callbackRule = new CallbackRule(limits.callbackAllow)
  }

  /** Answers the call; never rejects. */
  async accept(call: Call): Promise<void> {
    const { tracing } = this.options
    const startedAt = performance.now()
    const producer = tracing.begin(call.head.trace)
    let callId: string | undefined
    let end: Pick<Acceptance, 'status' | 'errorCode'> = { status: 202, errorCode: undefined }
    this.inflight += 1
    try {
      callId = await this.queue(call, producer)
      if (callId !== undefined) acceptedAnswer(call, callId)
      else end = { status: 0, errorCode: 'CLIENT_ABORTED' }
    } catch (error) {
      const { code, reason } = refusalOf(error)
      refuse(call.request, call.response, { code, reason, requestId: call.head.requestId })
      end = { status: PLATFORM_ERRORS[code], errorCode: code }
    } finally {
      this.inflight -= 1
    }
    if (!tracing.isOn) return
    const durationMs = performance.now() - startedAt
    recordAcceptance(tracing, call, { ...end, durationMs, instance: undefined, producer, callId })
  }

  async close(): Promise<void> {
    await this.link.close()
  }

  /**
   * @returns undefined if the client left before its request was complete.
   * @throws Refused, BusError
   */
  private async queue(call: Call, producer: TraceContext): Promise<string | undefined> {
    const { request, head } = call
    const bus = this.link.get()
    const callbackUrl = single(request, HEADERS.callbackUrl)
    const problem = callbackUrl === undefined ? undefined : this.callbackRule.urlProblem(callbackUrl)
    if (problem !== undefined) throw new Refused('BAD_REQUEST', `X-Callback-Url ${problem}`)
    const format = single(request, HEADERS.callbackFormat)
    if (format !== undefined && format !== 'cloudevents') {
      throw new Refused('BAD_REQUEST', 'X-Callback-Format can be cloudevents only')
    }
    const key = single(request, HEADERS.idempotencyKey)
    if (key !== undefined && (key === '' || key.length > LONGEST_KEY)) {
      throw new Refused('BAD_REQUEST', `Idempotency-Key must have 1 to ${LONGEST_KEY} characters`)
    }
    const body = head.bodyLength === 0 ? NO_BODY : await this.read(call)
    if (body === undefined) return undefined
    const kept: CallHead = {
      v: 1,
      method: request.method!,
      path: call.path,
      headers: keptHeaders(request.rawHeaders, call),
      acceptedAt: new Date().toISOString(),
      requestId: head.requestId,
      traceparent: formatTraceParent(producer),
      tracestate: producer.traceState,
      callbackUrl,
      clientAddress: clientAddress(request),
      caller: call.caller,
      bodyBytes: body.length,
    }
    const callId = this.ids.next(call.entry.name)
    if (key === undefined) {
      await store(bus, { callId, head: kept, body })
      return callId
    }
    const keyed = idempotencyKey(key, {
      route: call.entry.name,
      method: kept.method,
      path: kept.path,
      authorization: request.headers.authorization,
      body,
    })
    const claim = await claimKey(bus, keyed, callId)
    if (claim === undefined) {
      throw new Refused('IDEMPOTENCY_KEY_REUSED', 'this Idempotency-Key was used for another request: use a new one')
    }
    if (claim.isQueued) return claim.callId
    // The claimant may have died, or been refused, before the call was queued: then it is queued now. If it is just
    // about to, the message id lets one of the two through.
    if (claim.isNew || (await getCall(bus, claim.callId)) === undefined) {
      await store(bus, { callId: claim.callId, head: kept, body, messageId: claim.callId })
    }
    // If this fails, the next request with this key looks for the call.
    await confirmKey(bus, keyed, claim).catch(() => undefined)
    return claim.callId
  }

  private async read({ request, response, head, entry, expectsContinue }: Call): Promise<Buffer | undefined> {
    const bytes = this.options.bodyLimitBytes
    const tooLarge = new Refused(
      'PAYLOAD_TOO_LARGE',
      `the body of an asynchronous call may have at most ${bytes} bytes`,
    )
    if (head.bodyLength > bytes) throw tooLarge
    if (expectsContinue) response.writeContinue()
    const body = await collectBody(request, { bytes, timeoutMs: entry.route.timeoutMs })
    switch (body.kind) {
      case 'whole':
        return body.bytes
      case 'too-large':
        throw tooLarge
      case 'too-slow':
        throw new Refused('BAD_REQUEST', 'the body did not arrive in time')
      case 'gone':
        return undefined
    }
  }
}

interface NewCall {
  callId: string
  head: CallHead
  body: Buffer
  messageId?: string
}

async function store(bus: Bus, { callId, head, body, messageId }: NewCall): Promise<void> {
  const options = messageId === undefined ? undefined : { messageId }
  if (body.length <= INLINE_BODY_BYTES) {
    await bus.publish(subjectOf('call', callId), encodeEnvelope(head, body), options)
    return
  }
  const bodyRef = await putBody(bus, { kind: 'body', callId }, body)
  let isNeeded = false
  try {
    const ack = await bus.publish(subjectOf('call', callId), encodeEnvelope({ ...head, bodyRef }, NO_BODY), options)
    isNeeded = !ack.isDuplicate
  } catch (error) {
    // Without an answer the call may be there; if not, the body is swept later.
    isNeeded = error instanceof BusError && error.code === 'UNAVAILABLE'
    throw error
  } finally {
    if (!isNeeded) await removeBody(bus, bodyRef).catch(() => undefined)
  }
}

class Refused extends Error {
  readonly code: PlatformErrorCode

  constructor(code: PlatformErrorCode, reason: string) {
    super(reason)
    this.code = code
  }
}

function refusalOf(error: unknown): { code: PlatformErrorCode; reason: string } {
  if (error instanceof Refused) return { code: error.code, reason: error.message }
  const reason = error instanceof BusError ? error.message : 'the call could not be queued'
  return { code: 'ASYNC_UNAVAILABLE', reason }
}

function acceptedAnswer({ response, head }: Call, callId: string): void {
  const body = `{"callId":"${callId}","status":"queued"}\n`
  response.writeHead(202, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': body.length,
    'X-Call-Id': callId,
    Location: `/calls/${callId}`,
    ...(head.prefersAsync && { 'Preference-Applied': 'respond-async' }),
    'X-Request-Id': head.requestId,
  })
  response.end(body)
}

/** Node joins repeated headers; repeated, these two become one invalid value. */
function single(request: ClientRequest, name: string): string | undefined {
  return request.headers[name] as string | undefined
}

function keptHeaders(raw: readonly string[], { head: { isOriginTrusted }, shown }: Call): [string, string][] {
  const kept: [string, string][] = []
  for (let i = 0; i < raw.length; i += 2) {
    const lower = raw[i]!.toLowerCase()
    if (lower.startsWith('x-ryo-faas-') || PLATFORM_HEADERS.includes(lower) || lower === shown) continue
    if (isOriginTrusted || !ORIGIN_HEADERS.includes(lower)) kept.push([raw[i]!, raw[i + 1]!])
  }
  return kept
}
