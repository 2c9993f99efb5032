/**
 * Who may talk to the agent. Invariants: every route but the public ones wants the bearer token (compared in constant
 * time), or, where nothing is changed, the key of the dashboard; a request with an Origin comes from a page of elsewhere
 * and is refused. The Host header must name us (DNS rebinding: a page whose domain resolves to loopback), except for the
 * dashboard: its files are the same for everybody, and who has its key was given it. Editors in a browser pass ports on
 * below a name of their own.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { RyoFaasError } from '../contract/index.ts'

export interface Caller {
  method: string
  host: string | undefined
  origin: string | undefined
  authorization: string | undefined
}

export interface Rules {
  token: string
  /** Of the dashboard. */
  key: string
  /** What the route asks for; `page` is a file of the dashboard. */
  access: 'page' | 'public' | 'private'
}

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]'])

/** @throws RyoFaasError FORBIDDEN_ORIGIN, UNAUTHORIZED */
export function authorize({ method, host, origin, authorization }: Caller, { token, key, access }: Rules): void {
  const given = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1] ?? ''
  const isToken = isEqual(given, token)
  const isKey = isEqual(given, key) && method === 'GET'
  const isOurName = host !== undefined && LOOPBACK.has(host.replace(/:\d+$/, ''))
  if (origin !== undefined || !(isOurName || isKey || access === 'page')) {
    throw new RyoFaasError('FORBIDDEN_ORIGIN', 'the agent answers programs on this machine, not web pages')
  }
  if (access === 'private' && !isToken && !isKey) {
    throw new RyoFaasError('UNAUTHORIZED', 'the bearer token is missing or wrong', {
      hint: 'It stands in the file "token" of RYO_FAAS_HOME.',
    })
  }
}

/** Digests have one length whatever was sent, as the comparison needs. */
function isEqual(given: string, expected: string): boolean {
  const [a, b] = [given, expected].map(text => createHash('sha256').update(text).digest())
  return timingSafeEqual(a!, b!)
}
