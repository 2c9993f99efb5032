/**
 * Receives OTLP over HTTP (`POST /v1/traces`), on its own listeners: functions reach it, and they must not reach the
 * agent.
 *
 * Invariants: 1. a page in a browser is refused, also one whose domain resolves to us, and so is a request without a token.
 * 2. a function sends only its own spans. 3. a response has the content type of the request. 4. the response is sent at
 * once, before the spans are on disk.
 */
import type { AddressInfo, Server } from 'node:net'
import { routeOf } from '@ryo-faas/runtime/protocol'
import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance, type FastifyReply } from 'fastify'
import { Credentials, isFromOtherOrigin, isOurHost, type AccessKeys } from '../../access/index.ts'
import { answerMalformed, listenAtAll, type ExtraHost, NO_COMPILERS } from '../../host/index.ts'
import { BODY_LIMIT_BYTES, PROTOBUF, receive, type Body } from './receive.ts'
import type { Translated } from './otlp-json.ts'

export interface CollectorServerOptions {
  host: string
  /** Addresses in addition to `host`, on which functions reach it. */
  extraHosts: readonly ExtraHost[]
  /** Names, in addition to addresses, by which functions reach it. */
  hostNames: readonly string[]
  /** 0: any free port. */
  port: number
  logger: FastifyBaseLogger
  access: AccessKeys
  /** Returns how many of the spans were accepted. */
  onSpans: (
    spans: Translated['spans'],
    from: { body: Body; headers: Record<string, unknown>; sender: string },
  ) => number
  onRefused: (spans: number) => void
}

export interface CollectorServer {
  readonly port: number
  close(): Promise<void>
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Route of the sending function; '' for any other sender. */
    sender: string
  }
}

/** google.rpc.Code */
const INVALID_ARGUMENT = 3

/** @throws an error with code EADDRINUSE if the port is taken on one of the addresses. */
export async function startCollectorServer(options: CollectorServerOptions): Promise<CollectorServer> {
  const app = fastify({
    schemaController: NO_COMPILERS,
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT_BYTES,
    forceCloseConnections: true,
    clientErrorHandler: answerMalformed(message => ({ code: INVALID_ARGUMENT, message })),
  })
  addRoutes(app, options)
  await app.listen({ host: options.host, port: options.port })
  const { port } = app.server.address() as AddressInfo
  let others: Server[] = []
  const close = async () => {
    for (const other of others) other.close()
    await app.close()
  }
  try {
    others = await listenAtAll(app.server, { ...options, port })
  } catch (error) {
    await close()
    throw error
  }
  return { port, close }
}

function addRoutes(app: FastifyInstance, { access, hostNames, onSpans, onRefused }: CollectorServerOptions): void {
  const names = new Set(hostNames.map(name => name.toLowerCase()))
  const credentials = new Credentials(access)
  app.decorateRequest('sender', '')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(['application/json', PROTOBUF], { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  )
  app.addHook('onRequest', async (request, reply) => {
    const { host, origin } = request.headers
    if (origin !== undefined || isFromOtherOrigin(request.headers) || !isOurHost(host, names)) {
      return reply.code(403).send({ message: 'the collector does not accept spans from web pages' })
    }
    const principal = credentials.identify(request.headers.authorization)
    if (principal === undefined) {
      void reply.code(401).header('www-authenticate', 'Bearer realm="ryo-faas collector"')
      return reply.send({ message: 'the collector needs a token: send "Authorization: Bearer <token>"' })
    }
    if (principal.kind === 'function') request.sender = principal.route
  })
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500) request.log.error({ err: error }, 'the collector failed')
    else onRefused(0)
    return answer(reply, { status, message: explain(status, error.message), contentType: typeOf(request.headers) })
  })
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ message: 'the collector only accepts POST /v1/traces' }),
  )
  app.post('/v1/traces', async (request, reply) => {
    const contentType = typeOf(request.headers)
    const body = { bytes: request.body as Buffer, contentType, encoding: request.headers['content-encoding'] }
    // Without a body no parser runs.
    if (!Buffer.isBuffer(body.bytes))
      return answer(reply, { status: 400, message: 'the request has no body', contentType })
    const received = await receive(body)
    if (received.kind === 'refused') {
      onRefused(0)
      return answer(reply, { ...received, contentType })
    }
    const { sender } = request
    if (sender !== '' && received.spans.some(({ span }) => routeOf(span.service) !== sender)) {
      onRefused(0)
      return answer(reply, { status: 403, message: 'a function may only send spans of its own service', contentType })
    }
    if (received.rejected > 0) onRefused(received.rejected)
    const taken = onSpans(received.spans, { body, headers: request.headers, sender })
    const rejected = received.rejected + received.spans.length - taken
    const reason = received.reason ?? 'too many spans are waiting for the disk'
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
  if (status === 413) return `a body may have at most ${BODY_LIMIT_BYTES} bytes`
  if (status === 415) return `content-type must be application/json or ${PROTOBUF}`
  return message
}

function typeOf(headers: { 'content-type'?: string | undefined }): string {
  return (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
}
