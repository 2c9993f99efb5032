/**
 * What each caller may do. Operator and parts of the platform: everything. A function: what its token says about tables
 * it may read and write. A browser page: nothing, not even through a domain that resolves to the store (DNS rebinding).
 *
 * Invariants: 1. A route without a rule is not for functions: a new one is closed until it is opened. 2. The right to
 * write does not include reading: what returns more than it was sent needs both. 3. Only a request with valid
 * credentials learns whether a route, a table or a document exists.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { StoreError } from '@ryo-faas/runtime/documents'
import { Credentials, isFromOtherOrigin, isOurHost, type AccessKeys, type Principal } from '../../../access/index.ts'

export type TableRight = 'read' | 'write'

/**
 * `anyone`: no token at all. `function`: any function; the route looks at the tables itself. A list: functions that have
 * these rights on the table in the path, or on every table if the path names none.
 */
export type Access = 'anyone' | 'function' | readonly TableRight[]

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
  }
  interface FastifyRequest {
    /** The caller. Undefined where `access` is `anyone`. */
    principal: Principal | undefined
  }
}

/** @returns a function that throws StoreError FORBIDDEN_ORIGIN */
export function createGuard(hostNames: readonly string[]): (headers: IncomingHttpHeaders) => void {
  const names = new Set(hostNames.map(name => name.toLowerCase()))
  /** Callers use one name; it is checked once. */
  let lastHost: string | undefined
  return headers => {
    const { host } = headers
    if (host === undefined || host !== lastHost) {
      if (!isOurHost(host, names)) {
        throw new StoreError('FORBIDDEN_ORIGIN', `Host header ${JSON.stringify(host ?? '')} not allowed`)
      }
      lastHost = host
    }
    if (isFromOtherOrigin(headers)) {
      throw new StoreError('FORBIDDEN_ORIGIN', 'requests from web pages of other origins are not allowed')
    }
  }
}

/** @returns a function that throws StoreError UNAUTHORIZED, FORBIDDEN */
export function createDoor(keys: AccessKeys): (request: FastifyRequest, access: Access | undefined) => void {
  const credentials = new Credentials(keys)
  return (request, access) => {
    if (access === 'anyone') return
    const principal = credentials.identify(request.raw.headers.authorization)
    if (principal === undefined) {
      throw new StoreError('UNAUTHORIZED', 'the store needs a token: send "Authorization: Bearer <token>"')
    }
    request.principal = principal
    if (principal.kind !== 'function' || access === 'function' || request.is404) return
    if (access === undefined) throw new StoreError('FORBIDDEN', 'this is for the operator, not for functions')
    const { table } = request.params as { table?: string }
    for (const right of access) checkRight(principal, right, table)
  }
}

/** @throws StoreError FORBIDDEN */
export function checkRight(principal: Principal | undefined, right: TableRight, table: string | undefined): void {
  if (hasRight(principal, right, table)) return
  const what = table === undefined ? 'every table' : `table ${JSON.stringify(table)}`
  throw new StoreError('FORBIDDEN', `this function may not ${right} ${what}; "store" in deploy.json says what it may`)
}

/** @param table undefined: every one */
export function hasRight(principal: Principal | undefined, right: TableRight, table: string | undefined): boolean {
  if (principal?.kind !== 'function') return principal !== undefined
  const tables = principal[right]
  return tables === undefined || (table !== undefined && tables.includes(table))
}
