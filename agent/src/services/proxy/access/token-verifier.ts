/**
 * Verifies JWTs of callers (RFC 7519, by `jose`).
 *
 * Invariants: 1. Only the algorithms of the rule's own kind of key count: a token cannot choose (RFC 8725). 2. A token
 * without an end, issuer or audience that the rule names is refused. 3. A token that was accepted costs a look-up for
 * `REMEMBERED_MS`, and never longer than it is valid; a refused one is verified again. 4. Requests with one token wait
 * for one verification. 5. If the keys cannot be had, nobody knows who the caller is: that is not the caller's fault.
 */
import type { Caller } from '@ryo-faas/runtime'
import type { JWTPayload, JWTVerifyGetKey, JWTVerifyOptions } from 'jose'
import type { JwtRule } from '../../../contract/index.ts'
import { openKeySet, type KeySetOptions } from './key-sets.ts'

/** Without its claims, which are in the token that the function gets. */
export type TokenCaller = Omit<Extract<Caller, { kind: 'jwt' }>, 'claims'>

export type TokenVerdict =
  { kind: 'known'; caller: TokenCaller } | { kind: 'unknown'; reason: string } | { kind: 'undecided'; reason: string }

const ASYMMETRIC = ['RS256', 'ES256', 'EdDSA', 'Ed25519']
const SYMMETRIC = ['HS256']
const REMEMBERED = 10_000
const REMEMBERED_MS = 60_000
const LONGEST_TOKEN = 8_192
/** Codes of jose for keys that could not be fetched or read. */
const NO_KEYS: ReadonlySet<unknown> = new Set(['ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC'])

interface Accepted {
  caller: TokenCaller
  until: number
}

export interface VerifierOptions extends KeySetOptions {
  /** Milliseconds since 1970. */
  now?: () => number
}

export class TokenVerifier {
  readonly #rule: JwtRule
  readonly #secret: Uint8Array | undefined
  readonly #options: VerifierOptions
  readonly #now: () => number
  readonly #accepted = new Map<string, Accepted>()
  readonly #running = new Map<string, Promise<TokenVerdict>>()
  #keys: Promise<JWTVerifyGetKey> | undefined

  /** @param secret the value that the rule's `secret` names, if it names one and it is set */
  constructor(rule: JwtRule, secret: string | undefined, options: VerifierOptions = {}) {
    this.#rule = rule
    this.#secret = secret === undefined ? undefined : new TextEncoder().encode(secret)
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  verify(token: string): TokenVerdict | Promise<TokenVerdict> {
    const known = this.#accepted.get(token)
    if (known !== undefined) {
      if (this.#now() < known.until) return { kind: 'known', caller: known.caller }
      this.#accepted.delete(token)
    }
    if (token.length > LONGEST_TOKEN) return unknown('it is too long')
    let running = this.#running.get(token)
    if (running === undefined) {
      running = this.#verify(token).finally(() => this.#running.delete(token))
      this.#running.set(token, running)
    }
    return running
  }

  async #verify(token: string): Promise<TokenVerdict> {
    const { issuer, audience, clockSkewSeconds } = this.#rule
    const options: JWTVerifyOptions = {
      ...{ issuer, audience, clockTolerance: clockSkewSeconds, requiredClaims: ['exp'] },
      algorithms: this.#rule.jwks === undefined ? SYMMETRIC : ASYMMETRIC,
      currentDate: new Date(this.#now()),
    }
    try {
      const payload = await this.#payloadOf(token, options)
      const caller: TokenCaller = {
        ...{ kind: 'jwt', issuer },
        ...(typeof payload.sub === 'string' && { subject: payload.sub }),
      }
      this.#remember(token, { caller, until: this.#untilOf(payload.exp!) })
      return { kind: 'known', caller }
    } catch (error) {
      return verdictOf(error as Error & { code?: string })
    }
  }

  /** @throws if no key fits; a token that does not name its key is tried with each that may */
  async #payloadOf(token: string, options: JWTVerifyOptions): Promise<JWTPayload> {
    const { errors, jwtVerify } = await import('jose')
    try {
      return (await jwtVerify<JWTPayload>(token, await this.#keySource(), options)).payload
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
      for await (const key of error) {
        try {
          return (await jwtVerify<JWTPayload>(token, key, options)).payload
        } catch (inner) {
          if (!(inner instanceof errors.JWSSignatureVerificationFailed)) throw inner
        }
      }
      throw new errors.JWSSignatureVerificationFailed()
    }
  }

  /** @throws if there are none */
  async #keySource(): Promise<JWTVerifyGetKey> {
    const { jwks } = this.#rule
    if (jwks === undefined) {
      if (this.#secret === undefined) throw new Error(`the secret ${this.#rule.secret} is not set`)
      const secret = this.#secret
      return async () => secret
    }
    this.#keys ??= openKeySet(jwks, this.#options)
    return this.#keys
  }

  #untilOf(exp: number): number {
    return Math.min(this.#now() + REMEMBERED_MS, (exp + this.#rule.clockSkewSeconds) * 1_000)
  }

  #remember(token: string, accepted: Accepted): void {
    if (this.#accepted.size >= REMEMBERED) this.#accepted.clear()
    this.#accepted.set(token, accepted)
  }
}

function verdictOf({ code, message }: Error & { code?: string }): TokenVerdict {
  // Errors without a code of jose's come from fetching the keys.
  const isOurs = code === undefined || !code.startsWith('ERR_J') || NO_KEYS.has(code)
  return isOurs ? { kind: 'undecided', reason: message } : unknown(message)
}

function unknown(reason: string): TokenVerdict {
  return { kind: 'unknown', reason }
}
