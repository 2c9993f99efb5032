/**
 * The dashboard for people elsewhere: a second listener of the agent, on a socket to which the proxy brings what comes
 * over TLS for the dashboard's host name.
 *
 * Invariants: 1. Here nothing but a session opens anything: no token, no key. 2. What is not for the page is not there
 * (`isShown`, `ACTIONS`), whatever the role. 3. What changes something comes from the page itself: its origin says so, and
 * the cookie is never sent for another site. 4. A stream ends with its session.
 */
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { RyoFaasError, type Grant, type Need, type TokenView } from '../contract/index.ts'
import { admit, isShown } from './authorize.ts'
import { SESSION_MS, Sessions } from './sessions.ts'

/** The prefix keeps other hosts and plain HTTP from setting it. */
const COOKIE = '__Host-ryo-faas-session'
const LOOK_MS = 5_000
/** What the page does, beyond showing. */
const ACTIONS: readonly RegExp[] = [/^\/v1\/certificates\/[^/]+\/retry$/]
const SAFE = ['GET', 'HEAD']

export class FrontDoor {
  readonly #host: string
  readonly #sessions: Sessions
  readonly #sockets = new WeakSet<Socket>()
  readonly #open = new Map<ServerResponse, string>()
  #server: http.Server | undefined
  #look: NodeJS.Timeout | undefined

  constructor(host: string, identify: (token: string) => TokenView) {
    this.#host = host
    this.#sessions = new Sessions(identify)
  }

  isBehind({ raw }: FastifyRequest): boolean {
    return this.#sockets.has(raw.socket)
  }

  /**
   * What a request from there may do.
   * @throws RyoFaasError FORBIDDEN_ORIGIN, UNAUTHORIZED, FORBIDDEN, ROUTE_NOT_FOUND
   */
  authorize(
    request: FastifyRequest,
    { needs, name }: { needs: Need | 'page' | 'nothing' | 'session' | undefined; name?: string | undefined },
  ): Grant | undefined {
    const { method, headers } = request
    const path = request.url.split('?')[0]!
    const isSafe = SAFE.includes(method)
    const { host = '', origin, 'sec-fetch-site': site } = headers
    const isOwn = origin === undefined ? isSafe : origin === `https://${host}`
    const isElsewhere = site === 'cross-site' || site === 'same-site'
    // Any site may link to the page.
    if (host.replace(/:\d+$/, '').toLowerCase() !== this.#host || !isOwn || (isElsewhere && needs !== 'page')) {
      throw new RyoFaasError('FORBIDDEN_ORIGIN', 'this is for the page of the dashboard alone')
    }
    if (needs === 'page' || needs === 'session') return undefined
    const isOffered = isSafe ? isShown(path) : ACTIONS.some(action => action.test(path))
    if (!isOffered || needs === undefined || needs === 'nothing') {
      throw new RyoFaasError('ROUTE_NOT_FOUND', `${method} ${path} is not part of the dashboard`)
    }
    const id = idOf(headers.cookie)
    const token = id === undefined ? undefined : this.#sessions.of(id)
    if (token === undefined) throw new RyoFaasError('UNAUTHORIZED', 'nobody is signed in')
    return admit(token, needs, name)
  }

  /** The routes of the session. They are there for this door only. */
  addTo(app: FastifyInstance): void {
    const hidden = { schema: { hide: true }, config: { needs: 'session' } } as const
    app.get('/', hidden, async (_request, reply) => reply.redirect('/dashboard', 303))
    app.get('/session', hidden, async request => {
      const id = idOf(request.headers.cookie)
      const token = id === undefined ? undefined : this.#sessions.of(id)
      // No error: by it the page knows that here one can sign in. On this machine there is no such path.
      return token === undefined ? {} : { name: token.name, can: token.can }
    })
    app.post('/session', hidden, async (request, reply) => {
      const { success, data } = z.object({ token: z.string().max(200) }).safeParse(request.body)
      if (!success) throw new RyoFaasError('INVALID_REQUEST', 'token: the token to sign in with')
      const id = this.#sessions.signIn(data.token.trim(), request.ip)
      return reply
        .header('set-cookie', cookieOf(id, SESSION_MS / 1000))
        .header('cache-control', 'no-store')
        .send({})
    })
    app.delete('/session', hidden, async (request, reply) => {
      const id = idOf(request.headers.cookie)
      if (id !== undefined) this.#sessions.signOut(id)
      this.#endStreams()
      return reply.header('set-cookie', cookieOf('', 0)).send({})
    })
  }

  /** @param path of the socket */
  async listen(app: FastifyInstance, path: string): Promise<void> {
    if (process.platform !== 'win32') await rm(path, { force: true })
    const server = http.createServer((request, response) => {
      this.#takeIn(request, response)
      app.routing(request, response)
    })
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve))
    this.#server = server
    this.#look = setInterval(() => this.#endStreams(), LOOK_MS).unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#look)
    const server = this.#server
    if (server === undefined) return
    await new Promise(done => {
      server.close(done)
      server.closeAllConnections()
    })
  }

  #takeIn(request: IncomingMessage, response: ServerResponse): void {
    const { socket, headers } = request
    this.#sockets.add(socket)
    // Of the proxy alone, which names whoever it speaks for; each request has a connection of its own.
    Object.defineProperty(socket, 'remoteAddress', { value: String(headers['x-forwarded-for']), configurable: true })
    const id = idOf(headers.cookie)
    if (id === undefined) return
    this.#open.set(response, id)
    response.on('close', () => this.#open.delete(response))
  }

  #endStreams(): void {
    for (const [response, id] of this.#open) {
      if (response.headersSent && this.#sessions.of(id) === undefined) response.destroy()
    }
  }
}

function idOf(cookies: string | undefined): string | undefined {
  return new RegExp(`(?:^|; )${COOKIE}=([\\w-]{20,100})(?:;|$)`).exec(cookies ?? '')?.[1]
}

function cookieOf(id: string, seconds: number): string {
  return `${COOKIE}=${id}; Path=/; Max-Age=${seconds}; HttpOnly; Secure; SameSite=Strict`
}
