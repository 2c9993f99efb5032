/**
 * Who is asking? Every door of the platform except the functions' own (`/functions/<name>`) asks this, and decides what
 * each may do.
 *
 * | who | shows | which is |
 * |---|---|---|
 * | operator | `Authorization: Bearer <token>` | the token of the home, made at every start |
 * | part of the platform | `Authorization: Bearer <token>` | a secret of the home |
 * | function | `Authorization: Bearer ryf.<claims>.<mac>` | made for its deployment, in its environment |
 *
 * Invariants:
 * 1. Secrets are compared in constant time. A header that was accepted is remembered, so that the next request costs
 *    only a look-up; a refused one is not.
 * 2. A function's token says what it may do and is signed: any part can check it on its own. It expires with
 *    the functions' key, which a new start of the platform changes.
 */
import { createHmac } from 'node:crypto'
import { z } from 'zod'
import { isSameSecret } from '../contract/index.ts'

export const AccessKeys = z.strictObject({
  /** The operator's token. */
  operator: z.string().min(16),
  /** Shared by the parts of the platform. */
  part: z.string().min(16),
  /** Signs the tokens of functions. */
  functions: z.string().min(16),
})
export type AccessKeys = z.infer<typeof AccessKeys>

const FunctionClaims = z.object({
  /** Route of the deployment. */
  route: z.string(),
  /** Tables it may read and write; absent: all. */
  read: z.array(z.string()).optional(),
  write: z.array(z.string()).optional(),
})
export type FunctionClaims = z.infer<typeof FunctionClaims>

export type Principal = { kind: 'operator' } | { kind: 'part' } | ({ kind: 'function' } & FunctionClaims)

const FUNCTION_TOKEN = /^ryf\.([\w-]+)\.([\w-]+)$/
const BEARER = /^Bearer ([\w.~+/-]+=*)$/i
const REMEMBERED = 1_000

export class Credentials {
  readonly #keys: AccessKeys
  readonly #known = new Map<string, Principal>()

  constructor(keys: AccessKeys) {
    this.#keys = keys
  }

  /** @param authorization value of the header @returns undefined if it proves nothing */
  identify(authorization: string | undefined): Principal | undefined {
    if (authorization === undefined) return undefined
    const known = this.#known.get(authorization)
    if (known !== undefined) return known
    const token = BEARER.exec(authorization)?.[1]
    const principal = token === undefined ? undefined : this.#principalOf(token)
    if (principal === undefined) return undefined
    if (this.#known.size >= REMEMBERED) this.#known.clear()
    this.#known.set(authorization, principal)
    return principal
  }

  functionToken(claims: FunctionClaims): string {
    const text = Buffer.from(JSON.stringify(claims)).toString('base64url')
    return `ryf.${text}.${this.#mac(`token ${text}`)}`
  }

  /** See `deliveryToken`. */
  deliveryToken(route: string): string {
    return deliveryToken(this.#keys.functions, route)
  }

  #principalOf(token: string): Principal | undefined {
    if (isSameSecret(token, this.#keys.operator)) return { kind: 'operator' }
    if (isSameSecret(token, this.#keys.part)) return { kind: 'part' }
    const [, text, mac] = FUNCTION_TOKEN.exec(token) ?? []
    if (text === undefined || mac === undefined || !isSameSecret(mac, this.#mac(`token ${text}`))) return undefined
    return { kind: 'function', ...FunctionClaims.parse(JSON.parse(Buffer.from(text, 'base64url').toString())) }
  }

  #mac(text: string): string {
    return macOf(this.#keys.functions, text)
  }
}

/**
 * The token that the proxy sends to an instance of `route` with requests that only the platform may make: events.
 * @param key the key of functions (`AccessKeys.functions`)
 */
export function deliveryToken(key: string, route: string): string {
  return macOf(key, `delivery ${route}`)
}

/**
 * The key that a connection to an instance shows, where others than the platform reach its address.
 * @param key the key of functions (`AccessKeys.functions`)
 */
export function instanceKey(key: string, id: string): string {
  return macOf(key, `instance ${id}`)
}

function macOf(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url')
}
