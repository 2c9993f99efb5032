/**
 * Who may talk to the agent. Invariants: every route but the public ones wants the bearer token (compared in constant
 * time), or, where nothing is changed, the key of the dashboard; the Host header must name us (DNS rebinding, a page
 * whose domain resolves to loopback); a request with an Origin comes from a page of elsewhere and is refused.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { RyoFaasError } from '../contract/index.ts'

export interface Caller {
  method: string
  host: string | undefined
  origin: string | undefined
  authorization: string | undefined
}

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]'])

export function authorize(caller: Caller, rules: { token: string; key: string; public: boolean }): void {
  const hostname = caller.host?.replace(/:\d+$/, '')
  if (hostname === undefined || !LOOPBACK.has(hostname) || caller.origin !== undefined) {
    throw new RyoFaasError('FORBIDDEN_ORIGIN', 'the agent answers programs on this machine, not web pages')
  }
  if (rules.public) return
  const given = /^Bearer (.+)$/i.exec(caller.authorization ?? '')?.[1] ?? ''
  const isToken = timingSafeEqual(digest(given), digest(rules.token))
  const isKey = timingSafeEqual(digest(given), digest(rules.key)) && caller.method === 'GET'
  if (!isToken && !isKey) {
    throw new RyoFaasError('UNAUTHORIZED', 'the bearer token is missing or wrong', {
      hint: 'It stands in the file "token" of RYO_FAAS_HOME.',
    })
  }
}

/** Digests have one length whatever was sent, as the comparison needs. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
