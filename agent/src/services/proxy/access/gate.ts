/**
 * The gate: who may do what at the proxy. Every place, a function or one of the proxy's own endpoints, may name a rule
 * (`access`); the rule gives the verdict.
 *
 * Invariants: 1. A place without a rule is open, one with an unknown rule is closed. 2. A verdict that is there at once
 * costs no promise. 3. The caller is identified only if a rule needs it: most tokens are not for us. 4. A rule that
 * fails lets nobody in.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { PlatformErrorCode } from '@ryo-faas/runtime/protocol'
import { isFromOtherOrigin, isOurHost, type Credentials, type Principal } from '../../../access/index.ts'
import type { Access } from '../../../routes/index.ts'
import { isLoopback, plainAddress } from './peer-share.ts'

export type Verdict = { kind: 'pass' } | { kind: 'refuse'; code: PlatformErrorCode; reason: string }

/** What is asked for. A route is one. */
export interface Place {
  readonly name: string
  readonly access?: Access | undefined
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

  /** @param credentials without them everyone is a `caller` */
  constructor(asked: Asked, credentials: Credentials | undefined) {
    this.#asked = asked
    this.#credentials = credentials
  }

  get headers(): IncomingHttpHeaders {
    return this.#asked.headers
  }

  get remoteAddress(): string {
    return plainAddress(this.#asked.socket.remoteAddress ?? '')
  }

  /** `caller`: anyone without proof. */
  get principal(): Principal | { kind: 'caller' } {
    return this.#credentials?.identify(this.headers.authorization) ?? { kind: 'caller' }
  }
}

export const PASS: Verdict = { kind: 'pass' }

/** The proxy's own endpoints. */
export const OWN_DOORS = {
  /** Shows one call: knowing its id is the permission. */
  call: { name: 'a call', access: { kind: 'id' } },
  /** Lists calls, and changes them. */
  calls: { name: 'the calls', access: { kind: 'operator' } },
  /** Exposes names and load of all functions. */
  metrics: { name: 'the metrics', access: { kind: 'local' } },
} as const satisfies Record<string, Place>

const RULES: Rules = {
  open: () => PASS,
  /** Pages of other origins are not answered. Any name may lead here, by a proxy in front. */
  id: ({ headers }) => refusalOfOtherOrigins(headers) ?? PASS,
  /** Browser pages are refused, even through a domain that resolves to us. */
  operator: requester => refusalOfPages(requester.headers) ?? operatorVerdict(requester.principal),
  /** Programs on this machine, and the operator. */
  local: (requester, place) =>
    isLoopback(requester.remoteAddress)
      ? (refusalOfPages(requester.headers) ?? PASS)
      : RULES['operator']!(requester, place),
}

/** @param rules in addition to the proxy's own */
export function createGate(more: Rules = {}): Gate {
  const rules = new Map(Object.entries({ ...RULES, ...more }))
  return (requester, place) => {
    const { access } = place
    if (access === undefined) return PASS
    const rule = rules.get(access.kind)
    return rule === undefined ? refused('FORBIDDEN', `unknown access rule ${access.kind}`) : rule(requester, place)
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

function refusalOfPages(headers: IncomingHttpHeaders): Verdict | undefined {
  const { host } = headers
  if (isOurHost(host)) return refusalOfOtherOrigins(headers)
  return refused('FORBIDDEN', `Host header ${JSON.stringify(host ?? '')} is not allowed here`)
}

function refusalOfOtherOrigins(headers: IncomingHttpHeaders): Verdict | undefined {
  return isFromOtherOrigin(headers) ? refused('FORBIDDEN', 'pages of other origins are not answered here') : undefined
}

export function refused(code: PlatformErrorCode, reason: string): Verdict {
  return { kind: 'refuse', code, reason }
}
