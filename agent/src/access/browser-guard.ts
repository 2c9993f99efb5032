/**
 * What a browser page sends to a platform listener that is not for pages. Invariants: 1. A page of another origin is
 * recognised by `Origin` or `Sec-Fetch-Site`, which it cannot change. 2. A page whose domain was made to resolve to our
 * address (DNS rebinding) is recognised by `Host`: its domain is neither an address nor one of our names.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'

/** Whether `Host` is an address, `localhost`, or one of `names` (lower case). */
export function isOurHost(host: string | undefined, names: ReadonlySet<string> = new Set()): boolean {
  const name = host?.replace(/:\d+$/, '').toLowerCase() ?? ''
  if (name === 'localhost' || names.has(name) || isIP(name) === 4) return true
  return /^\[.*\]$/.test(name) && isIP(name.slice(1, -1)) === 6
}

/** Whether a page of another origin sent this. */
export function isFromOtherOrigin({ host, origin, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
  if (origin !== undefined && origin !== `http://${host}`) return true
  return site === 'cross-site' || site === 'same-site'
}
