/**
 * The HTTP API of calls.
 *
 * | request | answer |
 * |---|---|
 * | `GET /calls?function=&status=&limit=&cursor=` | `{calls, cursor?}`, newest first |
 * | `GET /calls/<id>` | `CallView` · 404 CALL_NOT_FOUND |
 * | `GET /calls/<id>/result` | what the function answered, with its status, headers and body · 404 before it has · 410 RESULT_TOO_LARGE |
 * | `DELETE /calls/<id>` | 200 `CallView`, cancelled · 409 CALL_FINAL |
 * | `POST /calls/<id>/redrive` | 202 `CallView`, queued · 409 CALL_FINAL if it is not dead |
 * | `POST /calls/redrive?function=` | 202 `{redriven}`: all dead ones |
 * | `GET /calls/<id>/events` | server-sent events, each a `CallView`; ends when the call is final |
 * | `GET /calls/events?function=` | server-sent events `{id, function, status}` |
 * | `GET /openapi.json` | all of this as an OpenAPI document |
 *
 * One call needs only its id; everything else is for the operator (401, 403). Event streams are limited
 * for each address: 429 TOO_MANY_STREAMS.
 * Without a bus: 503 ASYNC_UNAVAILABLE.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { CALLS_PATH, CONNECTION_HEADERS, type PlatformErrorCode } from '@ryo-faas/runtime/protocol'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { BusError, parseCallId } from '../../../bus/index.ts'
import {
  type CallEvent,
  cancelCall,
  getAnswer,
  getCall,
  listCalls,
  redriveCall,
  redriveDead,
  watchCall,
  watchCalls,
} from '../../../calls/index.ts'
import { plainIssue } from '../../../contract/index.ts'
import { OWN_DOORS, type Admit } from '../access/gate.ts'
import { errorAnswer } from '../http/refuse.ts'
import type { TrustedPeers } from '../access/trusted-peers.ts'
import type { BusLink } from './bus-link.ts'
import { callsDocument, FunctionQuery, ListQuery } from './calls-document.ts'
import { EventStreams, TooManyStreams } from './event-streams.ts'

/** How long to wait for a bus that was just lost. */
const FLUSH_MS = 1_000

type ById = { Params: { id: string } }
type MaybeById = { Params: { id?: string } }

/** An answer with a platform error. */
class CallError extends Error {
  readonly code: PlatformErrorCode

  constructor(code: PlatformErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

/** The answer gets its own. */
const UNFRAMED = new Set([...CONNECTION_HEADERS, 'content-length'])

interface CallsApiParts {
  admit: Admit
  /** Peers that represent many clients. */
  trusted: TrustedPeers
  newRequestId: () => string
}

/** @returns the open event streams, to be ended before the server is closed. */
export function addCallsApi(
  server: FastifyInstance,
  link: BusLink,
  { admit, trusted, newRequestId }: CallsApiParts,
): EventStreams {
  const streams = new EventStreams(trusted)
  void server.register(async calls => {
    // Bodies of these requests are ignored.
    calls.removeAllContentTypeParsers()
    calls.addContentTypeParser('*', (_request, payload, done) => {
      payload.resume()
      payload.on('end', () => done(null))
    })
    calls.setErrorHandler((error, request, reply) => {
      const { status, headers, body } = errorAnswer({ ...problemOf(error), requestId: newRequestId() })
      // The rest of a body that was not read is cut off with the connection.
      if (!request.raw.complete) headers['connection'] = 'close'
      return reply.code(status).headers(headers).send(body)
    })
    calls.addHook<MaybeById>('onRequest', async request => {
      const { id } = request.params
      const isShown = ['GET', 'HEAD'].includes(request.method) && id !== undefined
      const verdict = await admit(request.raw, isShown ? OWN_DOORS.call : OWN_DOORS.calls)
      if (verdict.kind === 'refuse') throw new CallError(verdict.code, verdict.reason)
      if (id !== undefined && parseCallId(id) === undefined) missing(id)
    })
    calls.get('/openapi.json', async () => callsDocument())
    addReading(calls, link)
    addChanging(calls, link)
    addWatching(calls, link, streams)
  })
  return streams
}

function addReading(calls: FastifyInstance, link: BusLink): void {
  calls.get(CALLS_PATH, async request => listCalls(link.get(), parse(ListQuery, request)))
  calls.get<ById>(`${CALLS_PATH}/:id`, async ({ params: { id } }) => (await getCall(link.get(), id)) ?? missing(id))
  calls.get<ById>(`${CALLS_PATH}/:id/result`, async ({ params: { id } }, reply) => {
    const { status, headers, body, bodyBytes } = (await getAnswer(link.get(), id)) ?? missing(id, 'has no result')
    if (body === undefined) {
      const reason = `the function answered ${status} with ${bodyBytes} bytes, more than is kept (--result-limit-mb)`
      throw new CallError('RESULT_TOO_LARGE', reason)
    }
    reply.code(status)
    for (const [name, value] of headers) {
      if (!UNFRAMED.has(name.toLowerCase())) void reply.header(name, value)
    }
    // It comes from an address of the platform's own: a page in it must not run there.
    void reply.headers({ 'content-security-policy': 'sandbox', 'x-content-type-options': 'nosniff' })
    return reply.send(body)
  })
}

function addChanging(calls: FastifyInstance, link: BusLink): void {
  calls.delete<ById>(`${CALLS_PATH}/:id`, async ({ params: { id } }) => {
    const outcome = await cancelCall(link.get(), id)
    if (outcome.kind === 'missing') return missing(id)
    if (outcome.kind === 'final')
      throw new CallError('CALL_FINAL', `the call has already ended: ${outcome.call.status}`)
    return outcome.call
  })
  calls.post<ById>(`${CALLS_PATH}/:id/redrive`, async ({ params: { id } }, reply) => {
    const outcome = await redriveCall(link.get(), id)
    if (outcome.kind === 'missing') return missing(id)
    if (outcome.kind === 'not-dead') {
      throw new CallError('CALL_FINAL', `only a dead call can be retried; this one is ${outcome.call.status}`)
    }
    return reply.code(202).send(outcome.call)
  })
  calls.post(`${CALLS_PATH}/redrive`, async (request, reply) => {
    const redriven = await redriveDead(link.get(), parse(FunctionQuery, request).function)
    return reply.code(202).send({ redriven })
  })
}

function addWatching(calls: FastifyInstance, link: BusLink, streams: EventStreams): void {
  calls.get<ById>(`${CALLS_PATH}/:id/events`, async ({ params: { id } }, reply) => {
    const abort = new AbortController()
    const views = watchCall(link.get(), id, abort.signal)
    // The first read says whether the call exists, while an error can still be answered.
    const first = await views.next()
    if (first.done === true) return missing(id)
    const stream = streams.open(reply, () => abort.abort())
    try {
      stream.send(first.value)
      for await (const view of views) stream.send(view)
    } finally {
      stream.end()
    }
    return reply
  })
  calls.get(`${CALLS_PATH}/events`, async (request: FastifyRequest, reply: FastifyReply) => {
    const bus = link.get()
    const { function: route } = parse(FunctionQuery, request)
    let send: (event: CallEvent) => void = () => undefined
    const stop = watchCalls(bus, route, event => send(event))
    // A client that has the response head misses nothing from then on.
    await Promise.race([bus.flush().catch(() => undefined), delay(FLUSH_MS)])
    const stream = streams.open(reply, stop)
    send = event => stream.send(event)
    return reply
  })
}

function missing(id: string, what = 'was not found: it is unknown or has expired'): never {
  throw new CallError('CALL_NOT_FOUND', `the call ${id.slice(0, 100)} ${what}`)
}

/** @throws CallError BAD_REQUEST */
function parse<T>(schema: z.ZodType<T>, { query }: FastifyRequest): T {
  const parsed = schema.safeParse(query, { error: plainIssue })
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]!
  throw new CallError('BAD_REQUEST', `${issue.path.join('.')} ${issue.message}`)
}

function problemOf(error: unknown): { code: PlatformErrorCode; reason: string } {
  if (error instanceof CallError) return { code: error.code, reason: error.message }
  if (error instanceof BusError) {
    return error.code === 'REFUSED'
      ? { code: 'CALL_NOT_FOUND', reason: error.message }
      : { code: 'ASYNC_UNAVAILABLE', reason: error.message }
  }
  if (error instanceof TooManyStreams) return { code: 'TOO_MANY_STREAMS', reason: error.message }
  const { statusCode = 500 } = error as { statusCode?: number }
  return statusCode < 500
    ? { code: 'BAD_REQUEST', reason: 'malformed request' }
    : { code: 'FUNCTION_ERROR', reason: 'the proxy failed to answer' }
}
