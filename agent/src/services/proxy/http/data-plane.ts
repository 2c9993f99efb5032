/**
 * The listening half of one proxy process: a fastify server whose requests for functions the hop takes first.
 *
 * Invariants: 1. This process serves a table from the moment that `applyRoutes` is called. 2. `close` stops
 * accepting first, lets what is in flight finish for `graceMs`, then cuts it off; afterwards nothing is left open.
 */
import http from 'node:http'
import { Server as NetServer, type AddressInfo, type Server, type Socket } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { Credentials, instanceKey, type AccessKeys } from '../../../access/index.ts'
import { answerProof, PROOF_PATH } from '../../../contract/index.ts'
import { platformError, type PlatformErrorCode } from '@ryo-faas/runtime/protocol'
import { IdSource, Tracing } from '@ryo-faas/runtime/telemetry'
import type { RoutePatch, RouteTable } from '../../../routes/index.ts'
import { listenAt, listenAtAll, NO_COMPILERS } from '../../../host/index.ts'
import { addTracingMetrics } from '../../../observability/tracing/index.ts'
import { AsyncCalls } from '../calls-api/async-calls.ts'
import { addCallsApi } from '../calls-api/calls-api.ts'
import { addEventsApi } from '../events-api/events-api.ts'
import type { DemandSink } from '../demand/demand-lines.ts'
import type { ClientRequest, ClientResponse } from './client.ts'
import { deliveryLines } from './delivery-line.ts'
import type { FunctionSnapshot } from '../metrics/function-metrics.ts'
import { Hop, type HopKeys } from './hop.ts'
import { createRegistry } from '../metrics/metrics.ts'
import { CallerRules } from '../access/caller-rules.ts'
import { createGate, OWN_DOORS, Requester, type Admit, type Rules } from '../access/gate.ts'
import type { DataPlaneOptions } from '../options.ts'
import { errorAnswer } from './refuse.ts'
import { namesDashboard } from '../front/dashboard-relay.ts'
import { startSecureFront, type SecureFront } from '../front/secure-front.ts'
import { Routes } from '../routing/routes.ts'
import { RateLimits, type RateSource } from '../access/rate-limits.ts'
import { isLoopback, isLoopbackHost, PeerShare, type PeerShareOptions } from '../access/peer-share.ts'
import { TrustedPeers } from '../access/trusted-peers.ts'
import type { Instance } from '../upstream/index.ts'
import type { SharedSettings } from '../shared/shared-messages.ts'

const READ_BUFFER_BYTES = 64 * 1024
const DRAIN_POLL_MS = 20
const SETTLE_POLL_MS = 2
/** How long answers that are complete may take to reach slow clients at the very end. */
const LAST_WRITES_MS = 500

export interface DataPlane {
  readonly address: { host: string; port: number }
  /** Where it serves HTTPS. */
  readonly front: { host: string; port: number } | undefined
  /**
   * Resolves when removed and frozen instances have nothing in flight, or after `settleMs`.
   * @param patch what makes `table` of the one that is served
   */
  applyRoutes(table: RouteTable, patch?: RoutePatch): Promise<void>
  /** From now on with these; connections and what is in flight stay. */
  useSettings(settings: SharedSettings): void
  /** Limits that hold for all proxies together are divided by `count`. */
  shareAmong(count: number): void
  /** See `isBehind`. */
  setBehind(isBehind: boolean): void
  followDemand(sink: DemandSink): () => void
  snapshot(): FunctionSnapshot[]
  /** When keys of callers were last used: by id, in milliseconds since 1970. */
  keyUses(): Record<string, number>
  metricsJson(): Promise<object[]>
  /** Whoever takes the place of this process gets their sockets. */
  listeners(): Server[]
  /** @param idleMs for so long connections may be idle before they are closed: their next answer is the last one */
  close(idleMs?: number): Promise<void>
}

export interface DataPlaneStart {
  /** Served from the first request on. */
  table?: RouteTable | undefined
  /** The table may be an old one: callers are better sent elsewhere until `setBehind` says otherwise. */
  isBehind?: boolean | undefined
  /** Text of `/metrics`, if it covers more than this process. */
  scrape?: () => Promise<string>
  /** Access rules in addition to the proxy's own. */
  rules?: Rules | undefined
  /** Counts the calls of callers, if there are several processes. */
  rates?: RateSource | undefined
}

export async function startDataPlane(options: DataPlaneOptions, start: DataPlaneStart = {}): Promise<DataPlane> {
  let { access } = options
  let { isBehind = false } = start
  const routes = new Routes({
    maxWaiting: options.maxWaiting,
    upstream: {
      connectTimeoutMs: options.connectTimeoutMs,
      idleMs: options.upstreamIdleMs,
      readBuffer: Buffer.allocUnsafeSlow(READ_BUFFER_BYTES),
      keyOf: id => access && instanceKey(access.functions, id),
    },
  })
  if (start.table !== undefined) routes.apply(start.table)
  const figures = { functions: () => routes.snapshot(), events: { accepted: 0, duplicates: 0 } }
  const registry = createRegistry(figures)
  const withExemplars = createRegistry(figures, 'openmetrics')
  const ids = new IdSource()
  const tracing = new Tracing({ settings: options.traces, resource: { 'service.name': 'ryo-faas-proxy' } })
  for (const shown of [registry, withExemplars]) addTracingMetrics(shown, tracing)
  const asyncCalls = new AsyncCalls({
    tracing,
    nats: options.nats,
    bodyLimitBytes: options.asyncBodyLimitBytes,
    callbackAllow: options.callbackAllow,
  })
  const trusted = new TrustedPeers(options.trustProxy)
  const isExempt = (address: string): boolean => isLoopback(address) || trusted.has(address)
  let credentials = access && new Credentials(access)
  const isOpen = [options.host, options.front?.host ?? options.host].every(isLoopbackHost)
  const callers = new CallerRules({ report: problem => console.error(problem), isOpen })
  if (start.table !== undefined) callers.update(start.table)
  const rates = start.rates ?? new RateLimits()
  const gate = createGate({ rules: { ...callers.rules, ...start.rules }, isOpen, rates })
  const admit: Admit = (asked, place) => gate(new Requester(asked, credentials, trusted), place)
  let hop: Hop | undefined
  const fastify = Fastify({
    schemaController: NO_COMPILERS,
    clientErrorHandler: (error, socket) => hop?.malformed(error, socket),
    frameworkErrors: (_error, _request, reply) => {
      void send(reply as unknown as Reply, 'BAD_REQUEST', 'malformed request')
    },
    serverFactory: fallback => {
      hop = new Hop({
        routes,
        readyTimeoutMs: options.readyTimeoutMs,
        tracing,
        gate,
        ...keysOf(access, credentials),
        verdictTimeoutMs: options.verdictTimeoutMs,
        bodyTimeoutMs: options.bodyTimeoutMs,
        upgradeIdleMs: options.upgradeIdleMs,
        trusted,
        asyncCalls,
        fallback,
      })
      return createServer(hop, { ...options, isExempt })
    },
  })
  const send = (reply: Reply, code: PlatformErrorCode, message: string): unknown => {
    const { status, headers, body } = platformError(code, message, ids.traceId())
    reply.code(status)
    reply.headers(headers)
    return reply.send(body)
  }
  fastify.get(PROOF_PATH, (request, reply) => {
    if (access === undefined) return send(reply, 'FUNCTION_NOT_FOUND', 'nothing is served here')
    const proof = answerProof(access.operator, { url: request.url, port: request.socket.localPort! })
    return proof === undefined
      ? send(reply, 'BAD_REQUEST', 'nonce: 32 to 128 hexadecimal digits')
      : reply.type('application/json').send(proof)
  })
  addOwnRoutes(fastify, {
    newRequestId: () => ids.traceId(),
    admit,
    isReady: () => routes.generation >= 0 && !isBehind && hop?.isDraining === false,
    pages: [
      { contentType: registry.contentType, text: start.scrape ?? (() => registry.metrics()) },
      // Several workers give sums, which have no exemplar trace.
      ...(start.scrape ? [] : [{ contentType: withExemplars.contentType, text: () => withExemplars.metrics() }]),
    ],
  })
  const eventStreams = addCallsApi(fastify, asyncCalls.link, {
    admit,
    trusted,
    newRequestId: () => ids.traceId(),
  })
  addEventsApi(fastify, {
    link: asyncCalls.link,
    admit,
    tracing,
    counts: figures.events,
    functionsKey: () => access?.functions,
    bodyLimitBytes: options.asyncBodyLimitBytes,
    bodyTimeoutMs: options.bodyTimeoutMs,
    newRequestId: () => ids.traceId(),
  })
  fastify.setNotFoundHandler((_request, reply) => send(reply, 'FUNCTION_NOT_FOUND', 'nothing is served here'))
  fastify.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) =>
    (error.statusCode ?? 500) < 500
      ? send(reply, 'BAD_REQUEST', 'malformed request')
      : send(reply, 'FUNCTION_ERROR', 'the proxy failed to answer'),
  )

  // A successor gets calls as soon as it listens.
  await asyncCalls.link.tried
  try {
    await fastify.listen(listenAt(options))
  } catch (error) {
    routes.close()
    await asyncCalls.close()
    throw error
  }
  const { port } = fastify.server.address() as AddressInfo
  let extras: Server[]
  try {
    extras = await listenAtAll(fastify.server, { ...options, port })
  } catch (error) {
    await fastify.close()
    routes.close()
    await asyncCalls.close()
    throw error
  }

  let front: SecureFront | undefined
  try {
    const serve = serveBy(hop!, options.front?.dashboard?.host)
    front =
      options.front && (await startSecureFront(fastify.server, { ...options, isExempt, serve, front: options.front }))
  } catch (error) {
    for (const extra of extras) extra.close()
    await fastify.close()
    routes.close()
    await asyncCalls.close()
    throw error
  }

  const stop = async (idleMs: number): Promise<void> => {
    hop!.isDraining = true
    eventStreams.close()
    front?.stopAccepting()
    // Without closing idle connections, as HTTP's own `close` does: on one of them a request may be on its way.
    const closed = [fastify.server, ...extras].map(
      server => new Promise(done => NetServer.prototype.close.call(server, done)),
    )
    await new Promise(done => setTimeout(done, idleMs))
    fastify.server.closeIdleConnections()
    const deadline = performance.now() + options.graceMs
    while (hop!.held + routes.inflight + asyncCalls.inflight > 0 && performance.now() < deadline) {
      await new Promise(done => setTimeout(done, DRAIN_POLL_MS))
      fastify.server.closeIdleConnections()
    }
    hop!.closeTunnels()
    routes.close()
    const lastWrites = setTimeout(() => {
      fastify.server.closeAllConnections()
      front?.closeAllConnections()
    }, LAST_WRITES_MS)
    fastify.server.closeIdleConnections()
    await Promise.all(closed)
    await front?.close()
    clearTimeout(lastWrites)
    await fastify.close()
    await asyncCalls.close()
    await tracing.close()
  }
  let stopping: Promise<void> | undefined
  return {
    address: { host: options.host, port },
    front: front?.address,
    listeners: () => [fastify.server, ...extras, ...(front?.listeners ?? [])],
    applyRoutes: (table, patch) => {
      callers.update(table)
      return settled(patch === undefined ? routes.apply(table) : routes.applyOne(patch, table), options.settleMs)
    },
    useSettings: settings => {
      ;({ access } = settings)
      credentials = new Credentials(access)
      hop!.useKeys(keysOf(access, credentials))
      asyncCalls.useLimits({ bodyLimitBytes: settings.asyncBodyLimitBytes, callbackAllow: settings.callbackAllow })
    },
    shareAmong: count => {
      routes.sharers = count
      rates.shareAmong?.(count)
    },
    setBehind: value => void (isBehind = value),
    followDemand: sink => routes.demand.follow(sink),
    keyUses: () => callers.keys.uses(),
    snapshot: () => routes.snapshot(),
    metricsJson: () => registry.getMetricsAsJSON(),
    close: (idleMs = 0) => (stopping ??= stop(idleMs)),
  }
}

function keysOf(access: AccessKeys | undefined, credentials: Credentials | undefined): HopKeys {
  const { part: dispatchToken, functions: functionsKey } = access ?? {}
  return { credentials, dispatchToken, functionsKey, deliveryLineOf: deliveryLines(functionsKey) }
}

/** What is needed of a fastify reply, whatever its type parameters. */
interface Reply {
  code(status: number): unknown
  headers(headers: Record<string, string>): unknown
  send(body: string): unknown
}

// Newer than our types, which are those of the oldest Node that we run on; that one treats each offer as an upgrade.
type UpgradingServerOptions = http.ServerOptions & { shouldUpgradeCallback(request: http.IncomingMessage): boolean }

/**
 * An offer to talk HTTP/2 (`curl --http2`, Java's HttpClient) may be ignored (RFC 9110 §7.8), and is: the request is
 * an ordinary one, body and all.
 */
function isUpgrade({ headers }: http.IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() !== 'h2c'
}

function createServer(hop: Hop, options: DataPlaneOptions & Pick<PeerShareOptions, 'isExempt'>): http.Server {
  const serverOptions: UpgradingServerOptions = {
    shouldUpgradeCallback: isUpgrade,
    insecureHTTPParser: false,
    // The hop checks `Host` itself, and answers in the platform's shape.
    requireHostHeader: false,
    maxHeaderSize: 16 * 1024,
    headersTimeout: options.headersTimeoutMs,
    // A body may take as long as the function's own limit; that limit ends it.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(2_000, options.headersTimeoutMs),
    keepAliveTimeout: options.keepAliveTimeoutMs,
    noDelay: true,
  }
  const server = http.createServer(serverOptions)
  server.maxConnections = options.maxConnections
  const share = new PeerShare({ most: options.maxConnectionsPerPeer, isExempt: options.isExempt })
  server.on('connection', (socket: Socket) => share.admit(socket))
  // Without this node silently drops the headers beyond the 2000th; their size is limited above.
  server.maxHeadersCount = 0
  const dashboardHost = options.front?.dashboard?.host
  const serve = serveBy(hop, dashboardHost)
  server.on('request', (request, response) => serve(request, response, false))
  server.on('checkContinue', (request, response) => serve(request, response, true))
  server.on('upgrade', (request, socket, head) => {
    if (namesDashboard(request, dashboardHost)) return void socket.destroy()
    hop.upgrade(request, socket, head)
  })
  server.on('connect', (_request, socket) => {
    socket.on('error', () => socket.destroy())
    hop.malformed(new Error('authority form'), socket as Socket)
  })
  return server
}

function serveBy(hop: Hop, dashboardHost: string | undefined) {
  return (request: ClientRequest, response: ClientResponse, isExpected: boolean): void => {
    // A browser may use one connection for several names of its certificate (RFC 9113 §9.1.2).
    if (namesDashboard(request, dashboardHost)) return void response.writeHead(421).end()
    hop.request(request, response, isExpected)
  }
}

async function settled(unused: readonly Instance[], settleMs: number): Promise<void> {
  const deadline = performance.now() + settleMs
  const isBusy = ({ inflight, isRetired, isFrozen }: Instance) => inflight > 0 && (isRetired || isFrozen)
  while (unused.some(isBusy) && performance.now() < deadline) {
    await new Promise(done => setTimeout(done, SETTLE_POLL_MS))
  }
}

function addOwnRoutes(
  fastify: FastifyInstance,
  own: {
    admit: Admit
    newRequestId: () => string
    isReady: () => boolean
    pages: { contentType: string; text: () => Promise<string> }[]
  },
): void {
  fastify.get('/healthz', () => ({ status: 'ok' }))
  fastify.get('/readyz', (_request, reply) => {
    const isReady = own.isReady()
    return reply.code(isReady ? 200 : 503).send({ status: isReady ? 'ready' : 'not ready' })
  })
  fastify.get('/metrics', async (request, reply) => {
    const verdict = await own.admit(request.raw, OWN_DOORS.metrics)
    if (verdict.kind === 'refuse') {
      const { status, headers, body } = errorAnswer({ ...verdict, requestId: own.newRequestId() })
      return reply.code(status).headers(headers).send(body)
    }
    const [plain, openMetrics = plain] = own.pages
    const wanted = request.headers.accept?.includes('application/openmetrics-text') === true ? openMetrics! : plain!
    return reply.type(wanted.contentType).send(await wanted.text())
  })
}
