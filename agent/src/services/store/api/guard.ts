/**
 * Pages in a browser may not talk to the store, not even by a domain that resolves to it (DNS rebinding). Who the program
 * is that asks, `door.ts` looks at.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { isFromOtherOrigin, isOurHost } from '../../../access/index.ts'
import { StoreError } from '../store-error.ts'

export type Guard = (headers: IncomingHttpHeaders) => void

/** @returns a function that throws StoreError FORBIDDEN_ORIGIN */
export function createGuard(hostNames: readonly string[]): Guard {
  const names = new Set(hostNames.map(name => name.toLowerCase()))
  /** Callers use one name; it is looked at once. */
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
      throw new StoreError('FORBIDDEN_ORIGIN', 'the store does not answer web pages of other origins')
    }
  }
}
