/**
 * OTLP over HTTP in (`POST /v1/traces`), on listeners of its own: functions reach it, and they must not reach the agent.
 *
 * Invariants: 1. a page in a browser is refused (it sends an Origin, or may not send JSON unasked). 2. an answer has
 * the type of the question. 3. what was received is answered at once, before it is on disk.
 */
import type { AddressInfo, Server } from 'node:net'
import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance, type FastifyReply } from 'fastify'
import { isFromOtherOrigin } from '../access/index.ts'
import { listenAlso } from '../host/index.ts'
import { BODY_LIMIT_BYTES, PROTOBUF, receive, type Body } from './receive.ts'
import type { Translated } from './otlp-json.ts'

export interface CollectorServerOptions {
  host: string
  /** Addresses besides `host` on which functions reach it. */
  extraHosts: readonly string[]
  /** 0: any free one. */
  port: number
  logger: FastifyBaseLogger
  /** Answers how many of the spans were taken. */
  onSpans: (spans: Translated['spans'], body: Body, headers: Record<string, unknown>) => number
  onRefused: (spans: number) => void
}

export interface CollectorServer {
  readonly port: number
  close(): Promise<void>
}

/** google.rpc.Code */
const INVALID_ARGUMENT = 3

/** @throws an error with code EADDRINUSE if the port is taken on one of the addresses. */
export async function startCollectorServer(options: CollectorServerOptions): Promise<CollectorServer> {
  const app = fastify({
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT_BYTES,
    forceCloseConnections: true,
  })
  addRoutes(app, options)
  await app.listen({ host: options.host, port: options.port })
  const { port } = app.server.address() as AddressInfo
  const others: Server[] = []
  const close = async () => {
    for (const other of others) other.close()
    await app.close()
  }
  try {
    for (const host of new Set(options.extraHosts)) {
      if (host !== options.host) others.push(await listenAlso(app.server, { host, port }))
    }
  } catch (error) {
    await close()
    throw error
  }
  return { port, close }
}

function addRoutes(app: FastifyInstance, { onSpans, onRefused }: CollectorServerOptions): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(['application/json', PROTOBUF], { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  )
  app.addHook('onRequest', async (request, reply) => {
    if (request.headers.origin !== undefined || isFromOtherOrigin(request.headers)) {
      return reply.code(403).send({ message: 'pages in a browser send nothing here' })
    }
  })
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500) request.log.error({ err: error }, 'the collector failed')
    else onRefused(0)
    return answer(reply, { status, message: explain(status, error.message), contentType: typeOf(request.headers) })
  })
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ message: 'the collector takes POST /v1/traces' }))
  app.post('/v1/traces', async (request, reply) => {
    const contentType = typeOf(request.headers)
    const body = { bytes: request.body as Buffer, contentType, encoding: request.headers['content-encoding'] }
    // A body that is not there has no parser either.
    if (!Buffer.isBuffer(body.bytes)) return answer(reply, { status: 400, message: 'there is no body', contentType })
    const received = await receive(body)
    if (received.kind === 'refused') {
      onRefused(0)
      return answer(reply, { ...received, contentType })
    }
    if (received.rejected > 0) onRefused(received.rejected)
    const taken = onSpans(received.spans, body, request.headers)
    const rejected = received.rejected + received.spans.length - taken
    const reason = received.reason ?? 'more spans wait for the disk than are held'
    return answer(reply, { status: 200, rejected, message: reason, contentType })
  })
}

interface Answer {
  status: number
  message: string
  contentType: string
  rejected?: number
}

async function answer(
  reply: FastifyReply,
  { status, message, contentType, rejected = 0 }: Answer,
): Promise<FastifyReply> {
  const success = rejected === 0 ? {} : { partialSuccess: { rejectedSpans: String(rejected), errorMessage: message } }
  const value = status < 300 ? success : { code: INVALID_ARGUMENT, message }
  void reply.code(status)
  if (contentType !== PROTOBUF) return reply.send(value)
  const { encodeAnswer } = await import('./otlp-protobuf.ts')
  return reply.type(PROTOBUF).send(encodeAnswer(status < 300 ? 'TracesAnswer' : 'RpcStatus', value))
}

function explain(status: number, message: string): string {
  if (status === 413) return `a body may have ${BODY_LIMIT_BYTES} bytes`
  if (status === 415) return `content-type must be application/json or ${PROTOBUF}`
  return message
}

function typeOf(headers: { 'content-type'?: string | undefined }): string {
  return (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
}
