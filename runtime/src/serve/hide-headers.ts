import type { IncomingMessage } from 'node:http'

/**
 * Removes headers before a handler sees the request. Node builds `headers` and `headersDistinct` from `rawHeaders`
 * on first access, with a count of its own: hence this order.
 */
export function hideHeaders({ headers, headersDistinct, rawHeaders }: IncomingMessage, names: readonly string[]): void {
  for (const name of names) {
    delete headers[name]
    delete headersDistinct[name]
  }
  for (let i = rawHeaders.length - 2; i >= 0; i -= 2) {
    if (names.includes(rawHeaders[i]!.toLowerCase())) rawHeaders.splice(i, 2)
  }
}
