/**
 * `POST /events` takes CloudEvents for triggers: 202 `{accepted, duplicates}`.
 *
 * Invariants: 1. 202 is sent only after the bus has stored all events of the request. 2. An invalid one (400 naming the
 * attribute) or one that is too long (413) means that none is stored. 3. An event with the source and id of one that
 * came within the stream's window is not stored again, so that a request without an answer can be repeated. 4. The
 * depth of a chain of events comes from the platform's signed header, never from the event.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { EVENTS_PATH, HEADERS, type PlatformErrorCode } from '@ryo-faas/runtime/protocol'
import {
  formatTraceParent,
  parseTraceContext,
  preciseNow,
  type TraceContext,
  type Tracing,
} from '@ryo-faas/runtime/telemetry'
import type { FastifyInstance } from 'fastify'
import { depthOf } from '../../../access/index.ts'
import { BusError, DEPTH_HEADER, publishedSubject, type Bus } from '../../../bus/index.ts'
import { INLINE_BODY_BYTES } from '../../../calls/index.ts'
import { OWN_DOORS, type Admit } from '../access/gate.ts'
import type { BusLink } from '../calls-api/bus-link.ts'
import { collectBody } from '../calls-api/collect-body.ts'
import type { EventCounts } from '../metrics/metrics.ts'
import { errorAnswer } from '../http/refuse.ts'
import { InvalidEventError, readEvents, type JsonEvent } from '../../../cloud-events/index.ts'

/** More in one request are refused. */
const MAX_BATCH = 1_000
/** In the JSON format: an event travels in one message. */
const MAX_EVENT_BYTES = INLINE_BODY_BYTES

interface EventsApiParts {
  link: BusLink
  admit: Admit
  tracing: Tracing
  counts: EventCounts
  /** With which depths are signed. */
  functionsKey: () => string | undefined
  bodyLimitBytes: number
  bodyTimeoutMs: number
  newRequestId: () => string
}

class EventError extends Error {
  readonly code: PlatformErrorCode
  readonly retryAfterSeconds: number | undefined

  constructor(code: PlatformErrorCode, message: string, retryAfterSeconds?: number) {
    super(message)
    this.code = code
    this.retryAfterSeconds = retryAfterSeconds
  }
}

export function addEventsApi(server: FastifyInstance, parts: EventsApiParts): void {
  void server.register(async events => {
    const limits = { bytes: parts.bodyLimitBytes, timeoutMs: parts.bodyTimeoutMs }
    events.removeAllContentTypeParsers()
    // A request without a body or a media type gets none: `bodyOf` reads what there is.
    events.addContentTypeParser('*', (_request, _payload, done) => done(null))
    events.setErrorHandler((error, request, reply) => {
      const { status, headers, body } = errorAnswer({ ...problemOf(error), requestId: parts.newRequestId() })
      // The rest of a body that was not read is cut off with the connection.
      if (!request.raw.complete) headers['connection'] = 'close'
      return reply.code(status).headers(headers).send(body)
    })
    events.addHook('onRequest', async request => {
      const verdict = await parts.admit(request.raw, OWN_DOORS.events)
      if (verdict.kind === 'refuse') throw new EventError(verdict.code, verdict.reason, verdict.retryAfterSeconds)
    })
    events.all(EVENTS_PATH, async ({ raw }, reply) => {
      if (raw.method !== 'POST') throw new EventError('METHOD_NOT_ALLOWED', 'events are posted')
      const bus = parts.link.get()
      const given = readEvents({ rawHeaders: raw.rawHeaders, body: await bodyOf(raw, limits) })
      if (given.length > MAX_BATCH) {
        throw new EventError('PAYLOAD_TOO_LARGE', `one request may have at most ${MAX_BATCH} events`)
      }
      return reply.code(202).send(await new Acceptance(raw, parts).store(bus, given))
    })
  })
}

async function bodyOf(request: IncomingMessage, limits: { bytes: number; timeoutMs: number }): Promise<Buffer> {
  const tooLarge = new EventError('PAYLOAD_TOO_LARGE', `a request with events may have at most ${limits.bytes} bytes`)
  if (Number(request.headers['content-length'] ?? 0) > limits.bytes) throw tooLarge
  const body = await collectBody(request, limits)
  switch (body.kind) {
    case 'whole':
      return body.bytes
    case 'too-large':
      throw tooLarge
    case 'too-slow':
    case 'gone':
      throw new EventError('BAD_REQUEST', 'the body did not arrive in time')
  }
}

/** One request's events on their way to the bus. */
class Acceptance {
  readonly #tracing: Tracing
  readonly #counts: EventCounts
  readonly #trace: TraceContext
  readonly #parentSpanId: string | undefined
  readonly #depth: number
  readonly #startedAt = preciseNow()

  constructor({ headers }: IncomingMessage, { tracing, counts, functionsKey }: EventsApiParts) {
    const { traceparent, tracestate } = headers
    const parent = parseTraceContext(text(traceparent), text(tracestate))
    this.#tracing = tracing
    this.#counts = counts
    this.#trace = tracing.begin(parent)
    this.#parentSpanId = parent?.spanId
    this.#depth = depthOf(functionsKey(), headers[HEADERS.eventDepth])
  }

  /** @throws EventError, BusError */
  async store(bus: Bus, events: readonly JsonEvent[]): Promise<{ accepted: number; duplicates: number }> {
    const messages = events.map(event => this.#messageOf(event))
    const acks = await Promise.all(
      messages.map(({ subject, data, messageId }) =>
        bus.publish(subject, data, {
          messageId,
          ...(this.#depth > 0 && { headers: { [DEPTH_HEADER]: String(this.#depth) } }),
        }),
      ),
    )
    const duplicates = acks.filter(({ isDuplicate }) => isDuplicate).length
    const accepted = events.length - duplicates
    this.#counts.accepted += accepted
    this.#counts.duplicates += duplicates
    this.#record(events.length)
    return { accepted, duplicates }
  }

  #messageOf(event: JsonEvent): { subject: string; data: Buffer; messageId: string } {
    const { traceState } = this.#trace
    const traced =
      event['traceparent'] === undefined && this.#tracing.isOn
        ? { traceparent: formatTraceParent(this.#trace), ...(traceState !== undefined && { tracestate: traceState }) }
        : {}
    const data = Buffer.from(JSON.stringify({ ...event, ...traced }))
    if (data.length > MAX_EVENT_BYTES) {
      const reason = `the event ${event.id.slice(0, 100)} has ${data.length} bytes as JSON, more than ${MAX_EVENT_BYTES}`
      throw new EventError('PAYLOAD_TOO_LARGE', reason)
    }
    // Attributes have no line breaks.
    const messageId = createHash('sha256').update(`${event.source}\n${event.id}`).digest('base64url')
    return { subject: publishedSubject(event.type), data, messageId }
  }

  #record(count: number): void {
    const endTime = preciseNow()
    if (!this.#tracing.isWorth(this.#trace, { isError: false, durationMs: endTime - this.#startedAt })) return
    this.#tracing.record({
      name: 'send events',
      kind: 'producer',
      context: this.#trace,
      parentSpanId: this.#parentSpanId,
      startTime: this.#startedAt,
      endTime,
      attributes: {
        'messaging.system': 'nats',
        'messaging.operation.name': 'publish',
        'messaging.operation.type': 'send',
        'messaging.destination.name': 'events',
        'messaging.batch.message_count': count,
      },
      status: { code: 'unset' },
    })
  }
}

function problemOf(error: unknown): { code: PlatformErrorCode; reason: string; retryAfterSeconds?: number } {
  if (error instanceof EventError) {
    const { code, message: reason, retryAfterSeconds } = error
    return {
      code,
      reason,
      ...(code === 'METHOD_NOT_ALLOWED' && { allow: 'POST' }),
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    }
  }
  if (error instanceof InvalidEventError) return { code: 'BAD_REQUEST', reason: error.message }
  if (error instanceof BusError) return { code: 'ASYNC_UNAVAILABLE', reason: error.message }
  const { statusCode = 500 } = error as { statusCode?: number }
  return statusCode < 500
    ? { code: 'BAD_REQUEST', reason: 'malformed request' }
    : { code: 'FUNCTION_ERROR', reason: 'the proxy failed to answer' }
}

function text(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined
}
