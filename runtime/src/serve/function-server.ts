/**
 * The HTTP server around the handlers. It sits behind the proxy, which has already cut `/functions/<name>` from the URL
 * and has dealt with slow clients; so connections stay open, and only the deadline of an invocation limits its time.
 */
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { running } from '../context.ts'
import { logError } from '../log-error.ts'
import { InvocationCounts, metricsPage } from '../metrics.ts'
import type { InstanceOptions } from '../options.ts'
import { EVENTS_PREFIX, HEALTH_PATH, METRICS_PATH, RESERVED_PREFIX, REST_PATH } from '../protocol/index.ts'
import { bodyTooLarge, declaresMoreThan, limitBody } from './body-limit.ts'
import { isDelivered } from './delivery.ts'
import { drain, Inflight, patienceOf } from './drain.ts'
import { Farewell } from './farewell.ts'
import { FunctionResponse } from './function-response.ts'
import type { EventHandler, HandlerSet, RequestHandler } from './handler-set.ts'
import type { Instance } from './instance.ts'
import { connectionGuard } from './connection-guard.ts'
import { introduce } from './introduction.ts'
import { Invocation, requestIdOf, type Exchange } from './invocation.ts'
import { runNodeHandler } from './node-style.ts'
import { answerJson, answerPlatformError, type PlatformAnswer } from './platform-answer.ts'
import { IdleMemory } from './settle-memory.ts'
import { runTrigger } from './trigger.ts'
import { runWebHandler } from './web-style.ts'

/** Longer than any proxy keeps an idle connection, so that this side never closes one that is in use. */
const KEEP_ALIVE_MS = 75_000

export interface FunctionServer {
  /** Resolves to the port. */
  listen(): Promise<number>
  /** Serves one more connection, whatever it is made of. */
  accept(connection: Duplex): void
  /** Takes an error that nobody caught; it is logged, and answered if it belongs to an invocation. */
  handleStrayError(error: unknown): void
  /** Refuses new requests, waits for those in flight, and resolves when every connection is closed. */
  drain(): Promise<void>
}

// `shouldUpgradeCallback` exists from Node 24.9 on.
type UpgradingServerOptions = ServerOptions<typeof IncomingMessage, typeof FunctionResponse> & {
  shouldUpgradeCallback(request: IncomingMessage): boolean
}

export function createFunctionServer(handlers: HandlerSet, self: Instance): FunctionServer {
  const { options } = self
  const { name, version, instance } = options
  const inflight = new Inflight()
  const counts = new InvocationCounts()
  const renderMetrics = metricsPage({ name, counts, inflight: () => inflight.size })
  const memory = new IdleMemory(() => inflight.size === 0)
  const release = (invocation: Invocation) => {
    inflight.delete(invocation)
    if (self.ownsProcess === true) memory.used()
  }
  const owner = { ...self, counts, begun: 0, release }
  const guard = connectionGuard(options.instanceKey)
  let draining: Promise<void> | undefined

  function handle(exchange: Exchange): void {
    const { request, response } = exchange
    if (!guard.admits(request, response) || !introduce(request, response, instance)) return
    const { url = '/' } = request
    const isFromPlatform = isDelivered(request, options.deliveryToken)
    const isEvent = url.startsWith(EVENTS_PREFIX) && isFromPlatform
    if (url.startsWith(RESERVED_PREFIX) && !isEvent) return answerReserved(request, response)
    const work = workOf(url)
    const refusal = refusalOf(exchange, work)
    if (refusal) answerPlatformError(request, response, { ...refusal, instance, requestId: requestIdOf(request) })
    else invoke(exchange, work as Work)
  }

  /** The handler to run, or why there is none. */
  function workOf(url: string): Work | Refusal {
    if (!url.startsWith(EVENTS_PREFIX)) {
      const found = handlers.find(url)
      return typeof found === 'string' ? { refused: 'HANDLER_NOT_FOUND', message: found } : found
    }
    const target = handlers.triggers.get(url.slice(EVENTS_PREFIX.length))
    if (target) return { style: 'trigger', target }
    // The version that has it may be coming: the sender retries the event.
    return { refused: 'FUNCTION_NOT_FOUND', message: `${name} has no such event handler.` }
  }

  function refusalOf(
    { request, upgrade }: Exchange,
    work: Work | Refusal,
  ): Omit<PlatformAnswer, 'requestId' | 'instance'> | undefined {
    const { concurrency, bodyLimitBytes } = options
    if (draining) {
      return { code: 'FUNCTION_UNAVAILABLE', message: `${name} is stopping.`, headers: RETRY_SOON, close: true }
    }
    if ('refused' in work) return { code: work.refused, message: work.message, close: true }
    if (upgrade && work.style !== 'node') {
      return {
        code: 'UPGRADE_UNSUPPORTED',
        message: `A ${work.style}-style handler cannot take an upgrade.`,
        close: true,
      }
    }
    if (declaresMoreThan(bodyLimitBytes, request)) {
      return { code: 'PAYLOAD_TOO_LARGE', message: bodyTooLarge(bodyLimitBytes), close: true }
    }
    if (concurrency > 0 && inflight.size >= concurrency) {
      return {
        code: 'FUNCTION_OVERLOADED',
        message: `${name} is already running ${concurrency} times.`,
        headers: RETRY_SOON,
      }
    }
    return undefined
  }

  function invoke(exchange: Exchange, work: Work): void {
    const invocation = new Invocation(exchange, owner)
    inflight.add(invocation)
    limitBody(options.bodyLimitBytes, invocation)
    running
      .run(invocation, () => runWork(work, invocation))
      .catch((error: unknown) => invocation.fail(error))
      .finally(() => invocation.settle())
  }

  function answerReserved(request: IncomingMessage, response: ServerResponse): void {
    const [path] = request.url?.split('?', 1) ?? []
    if (path === HEALTH_PATH) {
      const status = draining ? 'draining' : 'ok'
      const { served, isScheduled } = handlers
      const about = { name, version, instance, served, isScheduled }
      answerJson(response, draining ? 503 : 200, { status, ...about, inflight: inflight.size })
    } else if (path === METRICS_PATH) {
      answerMetrics(response).catch((error: unknown) => response.destroy(error as Error))
    } else if (path === REST_PATH && request.method === 'POST') {
      void answerRest(response)
    } else {
      answerJson(response, 404, { message: `The platform serves nothing at ${path}` })
    }
  }

  /** What keeps it awake is counted again at the end: a call may have come meanwhile. */
  async function answerRest(response: ServerResponse): Promise<void> {
    if (inflight.size === 0) await self.tracing.flush()
    if (inflight.size === 0) await memory.settle()
    if (inflight.size === 0 && !draining) response.writeHead(204).end()
    else answerJson(response, 409, { inflight: inflight.size })
  }

  async function answerMetrics(response: ServerResponse): Promise<void> {
    const { contentType, body } = await renderMetrics()
    response.writeHead(200, { 'content-type': contentType }).end(body)
  }

  const server = createHttpServer()
  const farewell = new Farewell(server, { name, instance, mayHear: connection => guard.hasAdmitted(connection) })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => handle({ request, response }))
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    handle({ request, response: responseOn(socket, request), upgrade: { socket, head } })
  })

  return {
    listen: () => listen(server, options),

    accept: connection => void server.emit('connection', connection),

    handleStrayError(error) {
      const invocation = running.getStore()
      if (invocation instanceof Invocation) invocation.fail(error)
      else logError(`${name} threw an error outside any invocation:`, error)
    },

    drain() {
      draining ??= drain(server, { inflight, farewell, patience: self.patience ?? patienceOf(options.drainMs) })
      return draining
    },
  }
}

type Work = RequestHandler | { readonly style: 'trigger'; readonly target: EventHandler }

interface Refusal {
  readonly refused: 'FUNCTION_NOT_FOUND' | 'HANDLER_NOT_FOUND'
  readonly message: string
}

function runWork(work: Work, invocation: Invocation): Promise<void> {
  switch (work.style) {
    case 'node':
      return runNodeHandler(work, invocation)
    case 'web':
      return runWebHandler(work.handler, invocation)
    case 'trigger':
      return runTrigger(work.target, invocation)
  }
}

const RETRY_SOON = { 'retry-after': '1' }

function createHttpServer(): Server {
  const serverOptions: UpgradingServerOptions = {
    ServerResponse: FunctionResponse,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: 0,
    // Counts from the moment of connecting, so it would also hit the proxy's idle connections.
    headersTimeout: 0,
    // An offer to talk HTTP/2 (`curl --http2`) may be ignored, and must be if the request has a body.
    shouldUpgradeCallback: request => request.headers.upgrade?.toLowerCase() !== 'h2c',
  }
  return createServer(serverOptions)
}

function listen(server: Server, { host, port }: InstanceOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

/** Lets a handler that ignores the upgrade answer as usual; the connection closes after that. */
function responseOn(socket: Socket, request: IncomingMessage): ServerResponse {
  const response = new FunctionResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  response.once('finish', () => socket.destroySoon())
  // Node has released the socket. A reset needs no handling: 'close' follows, and that ends the invocation.
  socket.on('error', () => {})
  return response
}
