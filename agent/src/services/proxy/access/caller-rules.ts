/**
 * The rules that deploy.json may name, and what they need from the route table. Whatever a rule lets in: other functions,
 * parts of the platform and the operator may call too.
 *
 * Invariants: 1. What a table no longer has (a key, a secret) lets nobody in from the moment it is served. 2. A rule that
 * cannot be read is closed. 3. Tokens that were verified for one function hold for others with the same rule.
 */
import { JwtRule } from '../../../contract/index.ts'
import type { Access, RouteTable } from '../../../routes/index.ts'
import type { CallerToTell } from './caller-line.ts'
import {
  isForwarded,
  PASS,
  refusalOfOtherOrigins,
  refusalOfPages,
  refused,
  type Gate,
  type Requester,
  type Rules,
  type Verdict,
} from './gate.ts'
import { KeyRing, type KnownKey } from './key-ring.ts'
import { TokenVerifier, type TokenVerdict, type VerifierOptions } from './token-verifier.ts'

const BEARER = /^Bearer (\S+)$/i
const OPERATOR: Verdict = { kind: 'pass', caller: { kind: 'operator' } }
const NO_KEY = refused(
  'UNAUTHORIZED',
  'this function takes calls with a key: send it as "Authorization: Bearer" or "X-API-Key"',
)
const WRONG_KEY = refused('UNAUTHORIZED', 'the key is unknown, was revoked, or has expired')
const NO_TOKEN = refused('UNAUTHORIZED', 'this function takes calls with a token: send it as "Authorization: Bearer"')
const UNRULED = refused(
  'FORBIDDEN',
  'this function has no access rule, and this platform is open to the network: add "access" to its entry in deploy.json',
)
const PRIVATE = refused('FORBIDDEN', 'this function is private: only other functions, triggers and schedules call it')
const NO_EVENT_KEY = refused(
  'UNAUTHORIZED',
  'events from beyond this machine need a key that ryo-faas keys create --events made: send it as "Authorization: Bearer" or "X-API-Key"',
)
const UNDECIDED = refused('FUNCTION_UNAVAILABLE', 'the access check is currently unavailable')

export interface CallerRulesOptions extends VerifierOptions {
  /** Whether the proxy listens on loopback only: then events need no key. */
  isOpen?: boolean
}

export class CallerRules {
  readonly keys = new KeyRing()
  readonly rules: Rules
  readonly #options: CallerRulesOptions
  #secrets: Readonly<Record<string, string>> = {}
  #secretsKey = '{}'
  /** By the rule as text, because every table is made of new objects. */
  #verifiers = new Map<string, TokenVerifier>()
  /** The same by the rule as an object. */
  #known = new WeakMap<Access, TokenVerifier>()
  /** Callers are told by an object each, so that it is written once. */
  readonly #functions = new Map<string, Verdict>()

  constructor(options: CallerRulesOptions = {}) {
    this.#options = options
    this.rules = {
      public: () => PASS,
      private: requester => this.#insider(requester) ?? PRIVATE,
      unruled: requester => this.#insider(requester) ?? UNRULED,
      key: (requester, place) => this.#byKey(requester, place),
      jwt: (requester, place) => this.#byToken(requester, place),
      events: requester => this.#events(requester),
    }
  }

  update({ keys = [], secrets = {}, routes }: RouteTable): void {
    this.keys.replace(keys)
    const secretsKey = JSON.stringify(secrets)
    const isChanged = secretsKey !== this.#secretsKey
    this.#secrets = secrets
    this.#secretsKey = secretsKey
    const before = isChanged ? new Map<string, TokenVerifier>() : this.#verifiers
    this.#known = new WeakMap()
    this.#verifiers = new Map(
      routes.flatMap(({ access }) => {
        if (access?.kind !== 'jwt') return []
        const text = JSON.stringify(access)
        const verifier = before.get(text) ?? this.#open(access)
        return verifier === undefined ? [] : [[text, verifier] as const]
      }),
    )
  }

  #open({ kind: _, ...access }: Access): TokenVerifier | undefined {
    const { success, data: rule } = JwtRule.safeParse(access)
    if (!success) return undefined
    const secret = rule.secret === undefined ? undefined : this.#secrets[rule.secret]
    return new TokenVerifier(rule, secret, this.#options)
  }

  #insider({ principal }: Requester): Verdict | undefined {
    switch (principal.kind) {
      case 'operator':
        return OPERATOR
      case 'part':
        return PASS
      case 'function':
        return this.#function(principal.route)
      case 'caller':
        return undefined
    }
  }

  #function(name: string): Verdict {
    let verdict = this.#functions.get(name)
    if (verdict === undefined) {
      verdict = { kind: 'pass', caller: { kind: 'function', name } }
      this.#functions.set(name, verdict)
    }
    return verdict
  }

  #byKey(requester: Requester, place: Parameters<Gate>[1]): Verdict {
    const { authorization, 'x-api-key': own } = requester.headers
    if (typeof own === 'string') return this.#keyVerdict(this.keys.find(own), place.name, 'x-api-key')
    const known = authorization === undefined ? undefined : this.keys.find(BEARER.exec(authorization)?.[1] ?? '')
    if (known !== undefined) return this.#keyVerdict(known, place.name, 'authorization')
    return this.#insider(requester) ?? (authorization === undefined ? NO_KEY : WRONG_KEY)
  }

  #keyVerdict(known: KnownKey | undefined, name: string, shown: 'authorization' | 'x-api-key'): Verdict {
    if (known === undefined) return WRONG_KEY
    const now = Date.now()
    if (now >= known.expiresAt) return WRONG_KEY
    if (known.functions?.has(name) === false) return refused('FORBIDDEN', 'the key is not for this function')
    known.usedAt = now
    return { kind: 'pass', caller: known.caller, shown }
  }

  #byToken(requester: Requester, { access }: Parameters<Gate>[1]): Verdict | Promise<Verdict> {
    const verifier = this.#verifierOf(access!)
    if (verifier === undefined) return refused('FORBIDDEN', 'the access rule of this function cannot be read')
    const token = BEARER.exec(requester.headers.authorization ?? '')?.[1]
    if (token === undefined || token.split('.', 4).length !== 3) return this.#insider(requester) ?? NO_TOKEN
    const verdict = verifier.verify(token)
    return 'kind' in verdict
      ? this.#tokenVerdict(verdict, requester)
      : verdict.then(it => this.#tokenVerdict(it, requester))
  }

  /** Other functions, the operator, keys for it; and programs on this machine, unless others can reach the proxy. */
  #events(requester: Requester): Verdict {
    const { headers } = requester
    const { authorization, 'x-api-key': own } = headers
    const known = this.keys.find(typeof own === 'string' ? own : (BEARER.exec(authorization ?? '')?.[1] ?? ''))
    if (known?.key.events === true && Date.now() < known.expiresAt) {
      known.usedAt = Date.now()
      return PASS
    }
    const inside = refusalOfOtherOrigins(headers) ?? this.#insider(requester)
    if (inside !== undefined) return inside
    return this.#options.isOpen === true && !isForwarded(headers) ? (refusalOfPages(headers) ?? PASS) : NO_EVENT_KEY
  }

  #verifierOf(access: Access): TokenVerifier | undefined {
    const known = this.#known.get(access)
    if (known !== undefined) return known
    const found = this.#verifiers.get(JSON.stringify(access))
    if (found !== undefined) this.#known.set(access, found)
    return found
  }

  #tokenVerdict(verdict: TokenVerdict, requester: Requester): Verdict {
    switch (verdict.kind) {
      case 'known':
        return { kind: 'pass', caller: verdict.caller as CallerToTell }
      case 'undecided':
        return this.#insider(requester) ?? UNDECIDED
      case 'unknown':
        return this.#insider(requester) ?? refused('UNAUTHORIZED', `the token is not valid here: ${verdict.reason}`)
    }
  }
}
