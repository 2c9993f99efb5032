import type { IncomingMessage } from 'node:http'

/**
 * Takes headers away before a handler sees the request. Node makes `headers` and `headersDistinct` out of `rawHeaders`
 * when they are first asked for, by a count of its own: in this order.
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
