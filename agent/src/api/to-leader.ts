/**
 * An agent that stands by passes requests on to the one that leads, whole and unread, so that clients need not know which
 * one they ask. While nobody leads they wait for a moment, and then hear that nothing was done: clients ask again.
 *
 * Invariants: 1. Who may do what is decided there; nothing is added to a request but a mark that it was passed on. 2. One
 * that was passed on is not passed on again. 3. What reached an agent is not sent to another, unless it only reads.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { API, RyoFaasError, type ApiRoute } from '../contract/index.ts'
import type { Platform } from './platform.ts'

const RELAYED = 'x-ryo-faas-relayed'
/** Less than a client waits for an answer. */
const PATIENCE_MS = 3_000
const ASK_AGAIN_MS = 100

/** About this agent, or of its own files. */
const OWN: readonly (keyof typeof API)[] = ['platform', 'shutdown']
const ROUTES = Object.entries(API) as [keyof typeof API, ApiRoute][]
const own = new Set(ROUTES.filter(([name]) => OWN.includes(name)).map(([, route]) => keyOf(route)))
const onDisk = new Set(ROUTES.filter(([, { readsDisk }]) => readsDisk).map(([, route]) => keyOf(route)))

export function relayToLeader(app: FastifyInstance, platform: Pick<Platform, 'following'>): void {
  app.addHook('onRequest', async (request, reply) => {
    if (platform.following() === undefined) return
    const path = request.url.split('?')[0]!
    const key = keyOf({ method: request.method, path })
    if (!path.startsWith('/v1/') || own.has(key)) return
    if (onDisk.has(key)) {
      throw new RyoFaasError('STANDS_BY', 'the agent that leads cannot read the files of this machine', {
        hint: 'Build here and deploy the package, as the command line does.',
      })
    }
    if (request.headers[RELAYED] !== undefined) throw nobodyLeads()
    await passOn(platform, request, reply)
  })
}

async function passOn(
  platform: Pick<Platform, 'following'>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  for (;;) {
    const following = platform.following()
    // This agent leads now.
    if (following === undefined) return
    let socket: Duplex | undefined
    try {
      socket = await following.connectLeader()
      const response = await sent(request, socket, gone.signal)
      const isNobody = response.statusCode === 503 && isRead && performance.now() < deadline
      if (!isNobody) return hand(response, reply)
      response.destroy()
    } catch (error) {
      if (gone.signal.aborted) return void reply.hijack()
      // What was written may have been done.
      if (socket !== undefined && !isRead) throw lostMeanwhile(error)
      if (performance.now() > deadline) throw error instanceof RyoFaasError ? error : nobodyLeads(error)
    }
    await delay(ASK_AGAIN_MS)
  }
}

function sent({ method, url, headers, raw }: FastifyRequest, socket: Duplex, signal: AbortSignal) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    const { connection: _, ...others } = headers
    const passed = httpRequest({
      ...{ method, path: url, signal, createConnection: () => socket },
      headers: { ...others, connection: 'close', [RELAYED]: '1' },
    })
    passed.on('response', resolve).on('error', reject)
    // It may be asked again, and its body is read once.
    if (method === 'GET' || method === 'HEAD') passed.end()
    else raw.on('error', error => passed.destroy(error)).pipe(passed)
  })
}

function hand(response: IncomingMessage, reply: FastifyReply): void {
  reply.hijack()
  const { connection: _, 'transfer-encoding': _chunked, ...headers } = response.headers
  reply.raw.writeHead(response.statusCode!, headers)
  reply.raw.flushHeaders()
  // A response that breaks off must not look whole.
  response.on('error', () => reply.raw.destroy()).pipe(reply.raw)
}

function keyOf({ method, path }: { method: string; path: string }): string {
  return `${method} ${path}`
}

function lostMeanwhile(cause: unknown): RyoFaasError {
  return new RyoFaasError('LEADER_LOST', 'the agent that led was lost while it did that', {
    hint: 'It may be done, or in part: see ryo-faas details, and do what is missing.',
    cause,
  })
}

function nobodyLeads(cause?: unknown): RyoFaasError {
  return new RyoFaasError('NOT_LEADING', 'no agent leads the platform at the moment', {
    hint: 'Another one does in a few seconds: try again.',
    ...(cause !== undefined && { cause }),
  })
}
