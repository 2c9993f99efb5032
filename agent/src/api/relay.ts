/**
 * The proxy and the store for those who reach nothing but the agent, because they come through a tunnel or with a token:
 * `/v1/via/proxy/…` and `/v1/via/store/…`, with every method, bodies and answers streamed. Invariants:
 *
 * 1. Proxy and store take these requests for the operator's, so what a token may do is decided here (`authorize.ts`).
 * 2. The operator's token is added here and reaches no function; the caller's own token goes nowhere.
 * 3. A path that could be read in two ways is refused: what was allowed is what is asked for.
 */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { CALLS_PATH, CONNECTION_HEADERS, EVENTS_PATH } from '@ryo-faas/runtime/protocol'
import { CallsClient, ListenerClient } from '../client/index.ts'
import { RyoFaasError, type Need } from '../contract/index.ts'
import { isGranted, requireName, type NamedNeed } from './authorize.ts'
import type { Platform } from './platform.ts'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
/** Made anew for the next connection, or not for others. */
const DROPPED: ReadonlySet<string> = new Set([
  ...CONNECTION_HEADERS,
  ...['host', 'content-length', 'proxy-authorization', 'expect', 'accept-encoding'],
])
const FUNCTION_PATHS: ReadonlySet<string> = new Set(['functions', 'async-function'])

interface Asked {
  method: string
  /** Below the door. */
  segments: readonly string[]
  query: URLSearchParams
}

/** @throws RyoFaasError ROUTE_NOT_FOUND */
export function needAtProxy({ method, segments, query }: Asked): NamedNeed {
  const [door, second, ...rest] = segments
  const role = method === 'GET' || method === 'HEAD' ? 'read' : 'deploy'
  // Whatever its rule of access says, it takes calls of the operator.
  if (FUNCTION_PATHS.has(door!) && second) return { role: 'deploy', scope: 'named', name: second }
  // Any function may have a trigger for it.
  if (`/${door}` === EVENTS_PATH && second === undefined) return { role: 'deploy', scope: 'all' }
  if (`/${door}` !== CALLS_PATH || rest.length > 1) throw new RyoFaasError('ROUTE_NOT_FOUND', 'nothing is served here')
  const isOfOne = second !== undefined && !['events', 'redrive'].includes(second)
  // The function of one call is known when it was looked up.
  return isOfOne ? { role, scope: 'filtered' } : { role, scope: 'named', name: query.get('function') ?? undefined }
}

export function needAtStore({ method, segments }: Asked): Need {
  if (method === 'GET' || method === 'HEAD') return { role: 'read', scope: 'all' }
  const isDrop = method === 'DELETE' && segments[0] === 'tables' && segments.length === 2
  return { role: isDrop || segments[0] === 'backup' ? 'admin' : 'deploy', scope: 'all' }
}

export async function addRelay(app: FastifyInstance, platform: Platform, token: string): Promise<void> {
  const clients = new Map<string, ListenerClient>()
  const clientOf = (name: string, url: string) => {
    const unreachable = (message: string, cause: unknown) => new RyoFaasError('NOT_RUNNING', message, { cause })
    const client = clients.get(url) ?? new ListenerClient({ url, token, name, unreachable })
    clients.set(url, client)
    return client
  }
  await app.register(async doors => {
    doors.removeAllContentTypeParsers()
    doors.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
    doors.route({
      method: METHODS,
      url: '/v1/via/proxy/*',
      schema: { hide: true },
      config: { needs: request => needAtProxy(askedOf(request)) },
      handler: async (request, reply) => {
        const { proxyUrl } = platform.view()
        await checkCall(request, { url: proxyUrl, token })
        const isFunction = FUNCTION_PATHS.has(askedOf(request).segments[0]!)
        const client = clientOf('the proxy', proxyUrl)
        return relay(client, { request, reply, tokenIn: isFunction ? 'proxy-authorization' : 'authorization' })
      },
    })
    doors.route({
      method: METHODS,
      url: '/v1/via/store/*',
      schema: { hide: true },
      config: { needs: request => needAtStore(askedOf(request)) },
      handler: async (request, reply) => {
        const address = platform.view().parts.find(({ name }) => name === 'store')?.address
        if (address === undefined) throw new RyoFaasError('STORE_UNAVAILABLE', 'the store is not running')
        return relay(clientOf('the store', `http://${address}`), { request, reply, tokenIn: 'authorization' })
      },
    })
  })
}

/** @throws RyoFaasError INVALID_REQUEST */
function askedOf({ method, raw }: FastifyRequest): Asked {
  const { path, search } = targetOf(raw.url!)
  try {
    const segments = path.slice(1).split('/').map(decodeURIComponent)
    const isPlain = segments[0] !== '' && !segments.some(segment => segment === '.' || segment === '..')
    if (isPlain && !/[\\/\0]/.test(segments.slice(0, 2).join(''))) {
      return { method, segments, query: new URLSearchParams(search) }
    }
  } catch {
    // An escape that is none.
  }
  throw new RyoFaasError('INVALID_REQUEST', 'the path is ambiguous')
}

/** What is asked of the part behind the relay. */
function targetOf(url: string): { path: string; search: string } {
  const [, path = '/', search = ''] = /^\/v1\/via\/(?:proxy|store)(\/[^?]*)(\?.*)?$/.exec(url) ?? []
  return { path, search }
}

/** A token that is for some functions sees and changes the calls of these alone. */
async function checkCall(request: FastifyRequest, proxy: { url: string; token: string }): Promise<void> {
  const { segments } = askedOf(request)
  const [door, id] = segments
  if (`/${door}` !== CALLS_PATH || id === undefined || ['events', 'redrive'].includes(id)) return
  if (isGranted(request.grant, '')) return // It is for all.
  const calls = new CallsClient(proxy, AbortSignal.timeout(5_000))
  const call = await calls.show(id).catch(() => undefined)
  requireName(request.grant, call?.function)
}

interface Relayed {
  request: FastifyRequest
  reply: FastifyReply
  tokenIn: 'authorization' | 'proxy-authorization'
}

async function relay(client: ListenerClient, { request, reply, tokenIn }: Relayed): Promise<FastifyReply> {
  const { path, search } = targetOf(request.raw.url!)
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  const response = await client.send(request.method, path + search, {
    headers: headersOf(request),
    ...(hasBody(request) && { body: request.raw }),
    tokenIn,
    pace: 'long',
    signal: gone.signal,
  })
  // It comes decoded.
  const isDecoded = response.headers.has('content-encoding')
  for (const [name, value] of response.headers) {
    if (CONNECTION_HEADERS.has(name) || (isDecoded && /^content-(?:encoding|length)$/.test(name))) continue
    void reply.header(name, value)
  }
  // What a function answers must not run as a page of the agent's.
  void reply.headers({ 'content-security-policy': 'sandbox', 'x-content-type-options': 'nosniff' })
  void reply.code(response.status)
  if (response.body === null) return reply.send()
  return reply.send(Readable.fromWeb(response.body))
}

function hasBody({ raw }: FastifyRequest): boolean {
  return raw.headers['content-length'] !== undefined || raw.headers['transfer-encoding'] !== undefined
}

function headersOf({ raw }: FastifyRequest): Record<string, string> {
  const isOwnAuthorization = raw.headers['proxy-authorization'] !== undefined
  return Object.fromEntries(
    Object.entries(raw.headers).flatMap(([name, value]) => {
      if (value === undefined || DROPPED.has(name) || (name === 'authorization' && !isOwnAuthorization)) return []
      return [[name, Array.isArray(value) ? value.join(', ') : value] as const]
    }),
  )
}
