/** The agent API: validates by the contract, returns errors as the contract says, describes itself as OpenAPI. */
import { pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import fastifySwagger from '@fastify/swagger'
import fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import { jsonSchemaTransform, serializerCompiler } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { dashboardKey } from '../client/index.ts'
import {
  answerProof,
  API,
  ErrorBody,
  isSameSecret,
  plainIssue,
  PROOF_PATH,
  RyoFaasError,
  type ApiRoute,
} from '../contract/index.ts'
import { answerMalformed, NO_COMPILERS } from '../host/index.ts'
import { auditHooks } from './audit-hooks.ts'
import type { AuditLog } from './audit-log.ts'
import { requireNeeds, type Secrets } from './authorize.ts'
import { addDashboard } from './dashboard.ts'
import type { FrontDoor } from './front-door.ts'
import { handlers } from './handlers.ts'
import { LINES } from './line-stream.ts'
import type { Platform } from './platform.ts'
import { addRelay } from './relay.ts'
import { relayToLeader } from './to-leader.ts'

export interface ApiOptions {
  token: string
  version: string
  platform: Platform
  /** Folder of the dashboard's files. */
  dashboard: string
  audit: AuditLog
  /** For people elsewhere. */
  front?: FrontDoor | undefined
  logger: FastifyBaseLogger
}

/** For everybody on this machine, and not part of the documented API. */
const OPEN = { schema: { hide: true }, config: { needs: 'nothing' } } as const
/** As `OPEN`, for those who may look at everything. */
const FOR_READERS = { schema: { hide: true }, config: { needs: { role: 'read', scope: 'all' } } } as const
const TAR = 'application/x-tar'
const GZIP = 'application/gzip'
const MAX_PARAMETER_LENGTH = 1_000
const BODY_LIMIT_BYTES = 1024 * 1024

export async function createApi(options: ApiOptions): Promise<FastifyInstance> {
  const { token, version, platform, dashboard, audit, front, logger } = options
  const key = dashboardKey(token)
  const app = fastify({
    schemaController: NO_COMPILERS,
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT_BYTES,
    forceCloseConnections: true,
    clientErrorHandler: answerMalformed(message => ({ error: new RyoFaasError('INVALID_REQUEST', message).toBody() })),
    // Longer than any valid parameter, so that the routes can report an invalid one themselves.
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    frameworkErrors: (error, _request, reply: FastifyReply) => {
      const translated = translate(error)
      void reply.code(translated.status).send({ error: translated.toBody() })
    },
  })
  app.setValidatorCompiler<z.ZodType>(({ schema }) => data => {
    const { success, data: value, error } = schema.safeParse(data, { error: plainIssue })
    return success ? { value } : { error: invalid(error) }
  })
  app.setSerializerCompiler(serializerCompiler)
  const { tokens } = platform
  const secrets: Secrets = {
    token,
    identify: given => tokens.identify(given),
    ownerOfKey: given => (isSameSecret(given, key) ? 'operator' : tokens.ownerOfKey(given)),
  }
  // Before anything else looks at a request: who may do what is decided by the agent that answers.
  relayToLeader(app, platform)
  requireNeeds(app, secrets, front)
  app.setErrorHandler((error, request, reply) => {
    const translated = translate(error)
    if (translated.code === 'INTERNAL') request.log.error({ err: error }, 'unexpected error')
    if (translated.code === 'UNAUTHORIZED') void reply.header('www-authenticate', 'Bearer realm="ryo-faas"')
    void reply.code(translated.status).send({ error: translated.toBody() })
  })
  app.setNotFoundHandler(request => {
    throw new RyoFaasError('ROUTE_NOT_FOUND', `${request.method} ${request.url} is not a route of the agent`)
  })
  await app.register(fastifySwagger, {
    openapi: {
      info: { title: 'ryo-faas agent', version },
      components: {
        securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'Token of the platform' } },
      },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
  })

  const add = (routes: FastifyInstance, isOurs: (route: ApiRoute) => boolean) => {
    for (const [name, route] of Object.entries(API) as [keyof typeof API, ApiRoute][]) {
      if (!isOurs(route)) continue
      routes.route({
        method: route.method,
        url: route.path,
        config: { needs: route.needs },
        schema: {
          summary: route.summary,
          operationId: name,
          ...(route.params && { params: route.params }),
          ...(route.query && { querystring: route.query }),
          ...(route.body && { body: route.body }),
          ...(route.takesBytes && { body: z.unknown(), consumes: [TAR] }),
          response: { 200: responseOf(route), default: z.object({ error: ErrorBody }) },
        },
        ...(route.bodyLimitBytes !== undefined && { bodyLimit: route.bodyLimitBytes }),
        ...auditHooks(audit, name, route),
        handler: (request, reply) => {
          if (route.readsDisk && !isLoopback(request.socket.remoteAddress)) throw elsewhere()
          return handlers[name](platform, request, reply)
        },
      })
    }
  }
  await app.register(async routes => add(routes, ({ takesBytes }) => takesBytes !== true))
  await app.register(async routes => {
    routes.removeAllContentTypeParsers()
    routes.addContentTypeParser(TAR, async (request: FastifyRequest, payload: Readable) =>
      request.headers['content-encoding'] === 'gzip' ? gunzipped(payload) : payload,
    )
    add(routes, ({ takesBytes }) => takesBytes === true)
  })
  await addRelay(app, platform, token)
  addDashboard(app, dashboard, request => front?.isBehind(request) === true)
  front?.addTo(app)
  app.get(PROOF_PATH, OPEN, async (request, reply) => {
    const proof = answerProof(token, {
      url: request.url,
      port: request.socket.localPort!,
      hashOfToken: id => tokens.hashOfToken(id),
    })
    if (proof === undefined) throw new RyoFaasError('INVALID_REQUEST', 'nonce: 32 to 128 hexadecimal digits')
    return reply.type('application/json').send(proof)
  })
  app.get('/healthz', OPEN, async () => ({ status: 'ok' }))
  app.get('/openapi.json', OPEN, async () => app.swagger())
  app.get('/metrics', FOR_READERS, async (request, reply) => {
    // Prometheus asks for OpenMetrics if it stores exemplars.
    const isOpen = request.headers.accept?.includes('application/openmetrics-text') === true
    const { contentType, body } = await platform.metrics.page(isOpen ? 'openmetrics' : 'prometheus')
    return reply.header('content-type', contentType).send(body)
  })
  return app
}

/** The schema of a stream describes one line; lines and files bypass the serializer. */
function responseOf({ response, stream, givesBytes }: ApiRoute): object {
  if (givesBytes) return { description: 'A file', content: { [GZIP]: { schema: response } } }
  if (!stream) return response
  return { description: 'One per line; empty lines are heartbeats', content: { [LINES]: { schema: response } } }
}

/** A path means a file of this machine, and nobody elsewhere may have it read. */
function isLoopback(address = ''): boolean {
  return address === '::1' || /^(?:::ffff:)?127\./.test(address)
}

function elsewhere(): RyoFaasError {
  return new RyoFaasError('UNSUPPORTED', 'paths are read for programs on this machine only', {
    hint: 'Build where the code is, and deploy packages: ryo-faas deploy --build-only --out app.ryo',
  })
}

/** What breaks off or is no gzip is for its reader to say. */
function gunzipped(payload: Readable): Readable {
  const plain = createGunzip()
  pipeline(payload, plain, () => undefined)
  return plain
}

function invalid(error: z.ZodError): RyoFaasError {
  const { path, message } = error.issues[0]!
  return new RyoFaasError('INVALID_REQUEST', `${path.length === 0 ? 'the body' : path.join('.')} ${message}`)
}

interface FastifyFault {
  statusCode?: number
  message?: string
}

function translate(error: unknown): RyoFaasError {
  if (error instanceof RyoFaasError) return error
  const { statusCode, message } = error as FastifyFault
  if (statusCode !== undefined && statusCode < 500) {
    return new RyoFaasError('INVALID_REQUEST', message ?? 'the request is malformed', { cause: error })
  }
  return RyoFaasError.from(error)
}
