/**
 * The gate: who may do what at the proxy, and how often. Every place, a function or one of the proxy's own endpoints, may
 * name a rule (`access`); the rule gives the verdict.
 *
 * Invariants: 1. A place with an unknown rule is closed. One without is open while the proxy listens on loopback only;
 * beyond that, only functions, parts and the operator may go there. 2. A verdict that is there at once costs no promise.
 * 3. The caller is identified only if a rule needs it: most tokens are not for us. 4. A rule that fails lets nobody in.
 * 5. Calls that are refused do not count against a rate; the operator's and the platform's own have none.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { PlatformErrorCode } from '@ryo-faas/runtime/protocol'
import { isFromOtherOrigin, isOurHost, type Credentials, type Principal } from '../../../access/index.ts'
import type { RateLimit } from '../../../contract/index.ts'
import type { Access } from '../../../routes/index.ts'
import type { CallerToTell } from './caller-line.ts'
import { isLoopback, peerOf, plainAddress } from './peer-share.ts'
import type { RateSource } from './rate-limits.ts'
import type { TrustedPeers } from './trusted-peers.ts'

export type Verdict =
  /**
   * `caller`: the function is told. `shown`: the header with which it proved who it is, if that is nobody else's
   * business.
   */
  | { kind: 'pass'; caller?: CallerToTell; shown?: 'authorization' | 'x-api-key' }
  | { kind: 'refuse'; code: PlatformErrorCode; reason: string; retryAfterSeconds?: number }

/** What is asked for. A route is one. */
export interface Place {
  readonly name: string
  readonly access?: Access | undefined
  readonly rate?: RateLimit | undefined
}

/** Both, a verdict at once and one that is promised, are answered alike. */
export type Gate = (requester: Requester, place: Place) => Verdict | Promise<Verdict>

/** Asks the gate about a request as it came. */
export type Admit = (asked: Asked, place: Place) => Verdict | Promise<Verdict>

/** By kind of access. */
export type Rules = Readonly<Record<string, Gate>>

/** What the gate reads of a request. */
interface Asked {
  headers: IncomingHttpHeaders
  socket: { remoteAddress?: string | undefined }
}

export class Requester {
  readonly #asked: Asked
  readonly #credentials: Credentials | undefined
  readonly #trusted: TrustedPeers | undefined

  /**
   * @param credentials without them everyone is a `caller`
   * @param trusted whose word counts on where a request comes from
   */
  constructor(asked: Asked, credentials: Credentials | undefined, trusted?: TrustedPeers) {
    this.#asked = asked
    this.#credentials = credentials
    this.#trusted = trusted
  }

  get headers(): IncomingHttpHeaders {
    return this.#asked.headers
  }

  get remoteAddress(): string {
    return plainAddress(this.#asked.socket.remoteAddress ?? '')
  }

  /** Where it comes from, whichever trusted proxies passed it on. */
  get clientAddress(): string {
    const forwarded = this.headers['x-forwarded-for']
    const chain = typeof forwarded === 'string' ? forwarded.split(',').map(each => plainAddress(each.trim())) : []
    let address = this.remoteAddress
    while (chain.length > 0 && this.#trusted?.has(address) === true) address = chain.pop()!
    return address
  }

  /** `caller`: anyone without proof. `Proxy-Authorization` is for us alone; a function may want `Authorization`. */
  get principal(): Principal | { kind: 'caller' } {
    const { authorization, 'proxy-authorization': own } = this.headers
    return this.#credentials?.identify(own) ?? this.#credentials?.identify(authorization) ?? { kind: 'caller' }
  }
}

export const PASS: Verdict = { kind: 'pass' }

/** The proxy's own endpoints. */
export const OWN_DOORS = {
  /** Shows one call: knowing its id is the permission. */
  call: { name: 'a call', access: { kind: 'id' } },
  /** Lists calls, and changes them. */
  calls: { name: 'the calls', access: { kind: 'operator' } },
  /** Takes events, which start functions. */
  events: { name: 'events', access: { kind: 'events' } },
  /** Exposes names and load of all functions. */
  metrics: { name: 'the metrics', access: { kind: 'local' } },
} as const satisfies Record<string, Place>

const RULES: Rules = {
  open: () => PASS,
  /** Pages of other origins are not answered. Any name may lead here, by a proxy in front. */
  id: ({ headers }) => refusalOfOtherOrigins(headers) ?? PASS,
  /** Browser pages are refused, even through a domain that resolves to us. */
  operator: requester => refusalOfPages(requester.headers) ?? operatorVerdict(requester.principal),
  /** Programs on this machine, unless they pass on what others ask for; and the operator. */
  local: (requester, place) =>
    isLoopback(requester.remoteAddress) && !isForwarded(requester.headers)
      ? (refusalOfPages(requester.headers) ?? PASS)
      : RULES['operator']!(requester, place),
}

/** The rule of a place that has none, if the proxy listens beyond loopback. */
const UNRULED = { kind: 'unruled' }

export interface GateOptions {
  /** In addition to the proxy's own. */
  rules?: Rules
  /** Whether a place without a rule is open. */
  isOpen?: boolean
  rates?: RateSource
}

export function createGate({ rules: more = {}, isOpen = true, rates }: GateOptions = {}): Gate {
  const rules = new Map(Object.entries({ ...RULES, ...more }))
  const byDefault = isOpen ? undefined : UNRULED
  const verdictOn: Gate = (requester, place) => {
    const access = place.access ?? byDefault
    if (access === undefined) return PASS
    const rule = rules.get(access.kind)
    return rule === undefined ? refused('FORBIDDEN', `unknown access rule ${access.kind}`) : rule(requester, place)
  }
  if (rates === undefined) return verdictOn
  return (requester, place) => {
    const verdict = verdictOn(requester, place)
    if (place.rate === undefined) return verdict
    const asked = { requester, place, rate: place.rate, rates }
    return 'kind' in verdict ? rated(verdict, asked) : verdict.then(settled => rated(settled, asked))
  }
}

interface Rated {
  requester: Requester
  place: Place
  rate: RateLimit
  rates: RateSource
}

/** Counts a call that may pass. */
function rated(verdict: Verdict, { requester, place, rate, rates }: Rated): Verdict | Promise<Verdict> {
  if (verdict.kind === 'refuse' || verdict.caller?.kind === 'operator') return verdict
  const who = verdict.caller === undefined ? `at ${peerOf(requester.clientAddress)}` : nameOf(verdict.caller)
  const answer = rates.take(`${place.name} ${who}`, rate)
  const judge = ({ granted, retryMs }: { granted: number; retryMs: number }): Verdict =>
    granted > 0 ? verdict : limited(rate, retryMs)
  return 'granted' in answer ? judge(answer) : answer.then(judge)
}

function limited({ calls, periodMs }: RateLimit, retryMs: number): Verdict {
  const reason = `at most ${calls} calls in ${periodMs / 1_000} s are allowed for each caller`
  return { ...refused('RATE_LIMITED', reason), retryAfterSeconds: Math.ceil(retryMs / 1_000) }
}

function nameOf(caller: CallerToTell): string {
  switch (caller.kind) {
    case 'key':
      return `key ${caller.id}`
    case 'jwt':
      return `user ${caller.issuer} ${caller.subject ?? ''}`
    case 'function':
      return `function ${caller.name}`
    case 'operator':
      return 'operator'
  }
}

function operatorVerdict(principal: Requester['principal']): Verdict {
  switch (principal.kind) {
    case 'operator':
      return PASS
    case 'caller':
      return refused('UNAUTHORIZED', 'this is for the operator: send the token of the platform as bearer token')
    case 'part':
    case 'function':
      return refused('FORBIDDEN', 'this is for the operator')
  }
}

export function isForwarded(headers: IncomingHttpHeaders): boolean {
  return headers['x-forwarded-for'] !== undefined || headers['forwarded'] !== undefined
}

export function refusalOfPages(headers: IncomingHttpHeaders): Verdict | undefined {
  const { host } = headers
  if (isOurHost(host)) return refusalOfOtherOrigins(headers)
  return refused('FORBIDDEN', `Host header ${JSON.stringify(host ?? '')} is not allowed here`)
}

export function refusalOfOtherOrigins(headers: IncomingHttpHeaders): Verdict | undefined {
  return isFromOtherOrigin(headers) ? refused('FORBIDDEN', 'pages of other origins are not answered here') : undefined
}

export function refused(code: PlatformErrorCode, reason: string): Extract<Verdict, { kind: 'refuse' }> {
  return { kind: 'refuse', code, reason }
}
