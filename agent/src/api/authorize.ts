/**
 * Who may do what at the agent: the one place where this is decided.
 *
 * Invariants: 1. A route that does not say what it needs cannot be added (`requireNeeds`). 2. Every route but the public
 * ones needs the operator's token (compared in constant time), a token that was given to somebody or, for what the
 * dashboard shows, its key. 3. A request with an Origin, or one caused by another site, comes from a foreign page and is
 * refused. 4. Without a secret that no page knows, the Host header must name us (DNS rebinding: a page whose domain
 * resolves to loopback); the dashboard's files are the same for everyone, and editors in a browser forward ports under a
 * host name of their own.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isFromOtherOrigin, isOurHost, isSameSecret } from '../access/index.ts'
import { isFor, mayDo, RyoFaasError, tokenIdIn, type Grant, type Need, type TokenView } from '../contract/index.ts'

/** With the name of the function, if the path has it elsewhere than in `:name`. */
export type NamedNeed = Need & { name?: string | undefined }

/**
 * `page`: a file of the dashboard; `nothing`: for everybody on this machine; `session`: only behind the front; a function:
 * what this request needs.
 */
export type RouteNeed = Need | 'page' | 'nothing' | 'session' | ((request: FastifyRequest) => NamedNeed)

declare module 'fastify' {
  interface FastifyContextConfig {
    needs?: RouteNeed
  }
  interface FastifyRequest {
    /** Who asks; undefined where nothing is needed. */
    grant: Grant | undefined
  }
}

export interface Caller {
  method: string
  path: string
  host: string | undefined
  origin: string | undefined
  /** Sec-Fetch-Site */
  site?: string | undefined
  authorization: string | undefined
}

export interface Secrets {
  /** The operator's. */
  token: string
  /** Whose dashboard has this key. */
  ownerOfKey: (key: string) => TokenView | 'operator' | undefined
  /** Finds whose token it is. @throws RyoFaasError UNAUTHORIZED */
  identify: (token: string) => TokenView
}

/** What the dashboard asks for with its key. Logs and names of secrets are not part of it. */
const SHOWN: readonly RegExp[] = [
  /^\/v1\/(?:platform|events|schedules)$/,
  /^\/traces(?:\/[^/]+)?$/,
  /^\/metrics\/history$/,
]

export function isShown(path: string): boolean {
  return SHOWN.some(pattern => pattern.test(path))
}

/**
 * @param needs of the route; undefined if there is none: only those who may ask at all are told so
 * @throws RyoFaasError FORBIDDEN_ORIGIN, UNAUTHORIZED, FORBIDDEN
 */
export function authorize(
  { method, path, host, origin, site, authorization }: Caller,
  secrets: Secrets,
  { needs, name }: { needs: Need | 'page' | 'nothing' | undefined; name?: string | undefined },
): Grant | undefined {
  const given = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1] ?? ''
  // Any site may link to the page.
  const isElsewhere = origin !== undefined || (needs !== 'page' && isFromOtherOrigin({ 'sec-fetch-site': site }))
  const owner = method === 'GET' && isShown(path) && given !== '' ? secrets.ownerOfKey(given) : undefined
  const isGiven = tokenIdIn(given) !== undefined
  if (isElsewhere || !(isOurHost(host) || owner !== undefined || isGiven || needs === 'page')) {
    throw new RyoFaasError('FORBIDDEN_ORIGIN', 'the agent answers programs on this machine, not web pages')
  }
  if (needs === 'page' || needs === 'nothing') return undefined
  if (isSameSecret(given, secrets.token)) return { kind: 'operator', can: 'admin' }
  if (owner === 'operator') return undefined
  if (owner !== undefined) return admit({ ...owner, can: 'read' }, needs, name)
  if (isGiven) return admit(secrets.identify(given), needs, name)
  throw new RyoFaasError('UNAUTHORIZED', 'the bearer token is missing or wrong', {
    hint: 'Read it from RYO_FAAS_HOME/token, or create one with: ryo-faas token create NAME',
  })
}

/** @throws RyoFaasError FORBIDDEN with what the token may do */
export function admit(token: TokenView, needs: Need | undefined, name: string | undefined): Grant {
  const grant: Grant = { kind: 'token', can: token.can, token }
  if (needs === undefined) return grant
  if (!mayDo(token.can, needs.role)) refuse(token, `may ${token.can}; this needs one that may ${needs.role}`)
  if (needs.scope === 'all' && token.for !== undefined) {
    refuse(token, `is for ${token.for.join(', ')}; this concerns all functions`)
  }
  if (needs.scope === 'named') requireName(grant, name)
  return grant
}

/** Whether a caller's token is for this function. */
export function isGranted(grant: Grant | undefined, name: string): boolean {
  return grant?.kind !== 'token' || isFor(grant.token.for, name)
}

/** @throws RyoFaasError FORBIDDEN if the token is not for this function; undefined: for no one in particular */
export function requireName(grant: Grant | undefined, name: string | undefined): void {
  if (grant?.kind !== 'token' || grant.token.for === undefined) return
  if (name !== undefined && isFor(grant.token.for, name)) return
  const what = name === undefined ? 'this concerns all functions' : `not for ${name}`
  refuse(grant.token, `is for ${grant.token.for.join(', ')}; ${what}`)
}

function refuse({ name, id }: TokenView, why: string): never {
  throw new RyoFaasError('FORBIDDEN', `the token ${name} (${id}) ${why}`, {
    hint: 'Use another token; an admin makes one with: ryo-faas token create NAME --can ROLE --for FUNCTIONS',
  })
}

/** Another way in, with rules of its own. */
export interface Door {
  isBehind(request: FastifyRequest): boolean
  authorize(
    request: FastifyRequest,
    asked: { needs: Need | 'page' | 'nothing' | 'session' | undefined; name?: string | undefined },
  ): Grant | undefined
}

/** Refuses routes that do not say what they need, and asks for it before anything of a request is read. */
export function requireNeeds(app: FastifyInstance, secrets: Secrets, front?: Door): void {
  app.addHook('onRoute', ({ method, url, config }) => {
    if (config?.needs === undefined) throw new Error(`${String(method)} ${url} does not say what it needs`)
  })
  app.decorateRequest('grant', undefined)
  app.addHook('onRequest', async (request: FastifyRequest) => {
    const { host, origin, 'sec-fetch-site': site, 'proxy-authorization': own } = request.headers
    // On its way to a function a request may have both; the other one is the function's.
    const authorization = own ?? request.headers.authorization
    const caller = { method: request.method, path: request.url.split('?')[0]!, host, origin, site, authorization }
    const stated = request.is404 ? undefined : request.routeOptions.config.needs
    const needs = typeof stated === 'function' ? stated(request) : stated
    const name = typeof stated === 'function' ? (needs as NamedNeed).name : (request.params as { name?: string }).name
    if (front?.isBehind(request)) request.grant = front.authorize(request, { needs, name })
    else if (needs === 'session') throw new RyoFaasError('ROUTE_NOT_FOUND', 'there is no dashboard in front')
    else request.grant = authorize(caller, secrets, { needs, name })
  })
}
