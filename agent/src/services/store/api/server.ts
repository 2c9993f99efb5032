/**
 * The store's HTTP server: what applies to every route. Invariants: 1. An error is `{"error":{"code","message",...}}`.
 * 2. A request that the guard (origin) or the door (token) refuses reaches no route. 3. nothing is parsed that is not
 * declared to be JSON.
 */
import { Readable } from 'node:stream'
import fastifySwagger from '@fastify/swagger'
import { HEADERS } from '@ryo-faas/runtime/protocol'
import type { TraceContext, Tracing } from '@ryo-faas/runtime/telemetry'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import { StoreError, type StoreErrorCode } from '@ryo-faas/runtime/documents'
import { depthOf } from '../../../access/index.ts'
import { answerMalformed, type MalformedStatus, NO_COMPILERS } from '../../../host/index.ts'
import { NAME_LIMIT_BYTES } from '../documents/index.ts'
import type { StoreOptions } from '../options.ts'
import { createDoor, createGuard } from './door.ts'
import { parseJson } from './json-body.ts'
import type { Operation, OperationMetrics } from './operation-metrics.ts'
import { beginSpan, endSpan } from './operation-span.ts'
import { endSilentConnections } from './silence.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    operation?: Operation
  }
  interface FastifyInstance {
    /** Counts and measures each response once. */
    endOperation(request: FastifyRequest, reply: FastifyReply): void
  }
  interface FastifyRequest {
    /** Until it is counted. */
    operation: Operation | undefined
    /** `performance.now()` */
    beganAt: number
    /** Context of its span; undefined without a relevant trace. */
    trace: TraceContext | undefined
    parentSpanId: string | undefined
    /** Length of the chain of document events that led to it. */
    depth: number
  }
}

/** A byte takes three characters in a path; one escaped in vain takes no more. */
const LONGEST_PARAMETER = 3 * NAME_LIMIT_BYTES
const JSON_TYPES = ['application/json', 'application/merge-patch+json']
const MALFORMED: Record<MalformedStatus, StoreErrorCode> = {
  400: 'INVALID_REQUEST',
  408: 'REQUEST_TIMEOUT',
  431: 'HEADERS_TOO_LARGE',
}

export interface ServerParts {
  options: StoreOptions
  metrics: OperationMetrics
  tracing: Tracing
  onError: (error: Error) => void
}

export async function createServer({ options, metrics, tracing, onError }: ServerParts): Promise<FastifyInstance> {
  const guard = createGuard(options.hostNames)
  const door = createDoor(options.access)
  const app = fastify({
    // The schemas are the documentation; requests are checked by hand, for better messages and less cost.
    schemaController: NO_COMPILERS,
    bodyLimit: options.bodyLimitBytes,
    routerOptions: { maxParamLength: LONGEST_PARAMETER },
    requestTimeout: options.requestTimeoutMs,
    keepAliveTimeout: options.keepAliveTimeoutMs,
    http: {
      headersTimeout: options.headersTimeoutMs,
      connectionsCheckingInterval: Math.min(2_000, options.headersTimeoutMs),
    },
    exposeHeadRoutes: false,
    clientErrorHandler: answerMalformed((message, status) => new StoreError(MALFORMED[status], message).toBody()),
    frameworkErrors: (error, _request, reply) => sendError(reply, translate(error, options)),
  })
  const stopLooking = endSilentConnections(app.server, options.silenceTimeoutMs)
  app.addHook('onClose', (_app, done) => {
    stopLooking()
    done()
  })
  app.removeAllContentTypeParsers()
  app.decorateRequest('principal', undefined)
  app.decorateRequest('operation', undefined)
  app.decorateRequest('beganAt', 0)
  app.decorateRequest('trace', undefined)
  app.decorateRequest('parentSpanId', undefined)
  app.decorateRequest('depth', 0)
  app.addContentTypeParser(JSON_TYPES, { parseAs: 'string' }, (_request, body: string, done) => {
    try {
      // A request without a body may have a content type.
      done(null, body === '' ? undefined : parseJson(body))
    } catch (error) {
      done(error as Error)
    }
  })
  app.addHook('onRequest', (request, _reply, done) => {
    request.beganAt = performance.now()
    try {
      // Read once: Fastify makes a new object each time.
      const { access, operation } = request.routeOptions.config
      request.operation = operation
      guard(request.raw.headers)
      door(request, access)
      beginSpan(tracing, request)
      request.depth = depthOf(options.access.functions, request.raw.headers[HEADERS.eventDepth])
      done()
    } catch (error) {
      done(error as Error)
    }
  })
  app.decorate('endOperation', (request: FastifyRequest, reply: FastifyReply) => {
    const { operation } = request
    if (operation === undefined) return
    // A stream that fails before its first piece can still be answered with the error.
    request.operation = undefined
    const durationMs = performance.now() - request.beganAt
    metrics.record(operation, reply.statusCode, durationMs)
    endSpan(tracing, operation, { request, reply, durationMs })
  })
  // A response ends when it is handed over; waiting for its flush would cost two listeners each.
  app.addHook('onSend', (request, reply, payload, done) => {
    if (payload instanceof Readable) reply.raw.once('close', () => app.endOperation(request, reply))
    else app.endOperation(request, reply)
    done(null, payload)
  })
  app.setErrorHandler((error: Error, _request, reply) => {
    const translated = translate(error, options)
    if (translated.code === 'INTERNAL') onError(error)
    sendError(reply, translated)
  })
  app.setNotFoundHandler((request, reply) => {
    const { method, url } = request
    sendError(reply, new StoreError('ROUTE_NOT_FOUND', `${method} ${url.split('?')[0]} is not a route of the store`))
  })
  await app.register(fastifySwagger, {
    openapi: {
      info: { title: 'ryo-faas store', version: '1' },
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer', description: 'The token of the platform, or of a function' },
        },
      },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
  })
  return app
}

const RETRY_SOON: ReadonlySet<StoreErrorCode> = new Set(['BUSY', 'SHUTTING_DOWN', 'STORAGE_UNAVAILABLE'])

export function sendError(reply: FastifyReply, error: StoreError): void {
  if (RETRY_SOON.has(error.code)) void reply.header('retry-after', '1')
  if (error.code === 'UNAUTHORIZED') void reply.header('www-authenticate', 'Bearer realm="ryo-faas store"')
  void reply.code(error.status).type('application/json; charset=utf-8').send(JSON.stringify(error.toBody()))
}

interface FastifyFault extends Error {
  code?: string
  statusCode?: number
}

function translate(error: FastifyFault, { bodyLimitBytes }: StoreOptions): StoreError {
  if (error instanceof StoreError) return error
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new StoreError('BODY_TOO_LARGE', `the body is larger than ${bodyLimitBytes} bytes`)
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new StoreError('UNSUPPORTED_MEDIA_TYPE', `the content type must be ${JSON_TYPES[0]}`)
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new StoreError('INVALID_NAME', `a name in the path is longer than ${NAME_LIMIT_BYTES} bytes`)
    case 'FST_ERR_BAD_URL':
      return new StoreError('INVALID_REQUEST', 'the path is not percent-encoded UTF-8')
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new StoreError('INVALID_REQUEST', 'the body is not as long as Content-Length says')
    default:
      break
  }
  if (error.statusCode !== undefined && error.statusCode < 500) return new StoreError('INVALID_REQUEST', error.message)
  return new StoreError('INTERNAL', 'the store failed on this request', { cause: error })
}
