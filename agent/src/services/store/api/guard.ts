/**
 * Pages in a browser may not talk to the store, not even by a domain that resolves to it (DNS rebinding): the Host header
 * must be an address or a name we go by, and a request that another origin's page sends is refused. Who the program is
 * that asks, `door.ts` looks at.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'
import { StoreError } from '../store-error.ts'

export type Guard = (headers: IncomingHttpHeaders) => void

/** @returns a function that throws StoreError FORBIDDEN_ORIGIN */
export function createGuard(hostNames: readonly string[]): Guard {
  const names = new Set(['localhost', ...hostNames.map(name => name.toLowerCase())])
  /** Callers use one name; it is looked at once. */
  let lastHost: string | undefined
  return ({ host, origin, 'sec-fetch-site': site }) => {
    if (host === undefined || host !== lastHost) {
      if (!isOurs(host, names)) {
        throw new StoreError('FORBIDDEN_ORIGIN', `Host header ${JSON.stringify(host ?? '')} not allowed`)
      }
      lastHost = host
    }
    if (origin !== undefined && !isSameOrigin(origin, host)) {
      throw new StoreError('FORBIDDEN_ORIGIN', 'the store does not answer web pages of other origins')
    }
    if (site === 'cross-site' || site === 'same-site') {
      throw new StoreError('FORBIDDEN_ORIGIN', 'the store does not answer web pages of other origins')
    }
  }
}

function isOurs(host: string | undefined, names: ReadonlySet<string>): boolean {
  const name = host?.replace(/:\d+$/, '').toLowerCase() ?? ''
  return names.has(name) || isIP(name) === 4 || (/^\[.*\]$/.test(name) && isIP(name.slice(1, -1)) === 6)
}

function isSameOrigin(origin: string, host: string | undefined): boolean {
  return origin === `http://${host}`
}
