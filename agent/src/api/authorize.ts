/**
 * Who may talk to the agent.
 *
 * Invariants: 1. every route but the public ones needs the bearer token (compared in constant time) or, for what the
 * dashboard shows, its key. 2. a request with an Origin, or one caused by another site, comes from a foreign page and
 * is refused. 3. the Host header must name us (DNS rebinding: a page whose domain resolves to loopback), except for the
 * dashboard: its files are the same for everyone, its key proves the rest, and editors in a browser forward ports under
 * a host name of their own.
 */
import { isFromOtherOrigin, isOurHost, isSameSecret } from '../access/index.ts'
import { RyoFaasError } from '../contract/index.ts'

export interface Caller {
  method: string
  host: string | undefined
  origin: string | undefined
  /** Sec-Fetch-Site */
  site?: string | undefined
  authorization: string | undefined
}

export interface Rules {
  token: string
  /** Key of the dashboard. */
  key: string
  /** What the route needs; `page` is a file of the dashboard, `shown` is data it shows. */
  access: 'page' | 'public' | 'shown' | 'private'
}

/** What the dashboard asks for. Logs and names of secrets are not part of it. */
const SHOWN: readonly RegExp[] = [/^\/v1\/(?:platform|events)$/, /^\/traces(?:\/[^/]+)?$/, /^\/metrics\/history$/]

export function isShown(path: string): boolean {
  return SHOWN.some(pattern => pattern.test(path))
}

/** @throws RyoFaasError FORBIDDEN_ORIGIN, UNAUTHORIZED */
export function authorize({ method, host, origin, site, authorization }: Caller, { token, key, access }: Rules): void {
  const given = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1] ?? ''
  const isToken = isSameSecret(given, token)
  const isKey = access === 'shown' && method === 'GET' && isSameSecret(given, key)
  // Any site may link to the page.
  const isElsewhere = origin !== undefined || (access !== 'page' && isFromOtherOrigin({ 'sec-fetch-site': site }))
  if (isElsewhere || !(isOurHost(host) || isKey || access === 'page')) {
    throw new RyoFaasError('FORBIDDEN_ORIGIN', 'the agent answers programs on this machine, not web pages')
  }
  if ((access === 'private' || access === 'shown') && !isToken && !isKey) {
    throw new RyoFaasError('UNAUTHORIZED', 'the bearer token is missing or wrong', {
      hint: 'Read it from RYO_FAAS_HOME/token.',
    })
  }
}
