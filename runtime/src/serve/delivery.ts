/**
 * What only the platform may send: document events, and which asynchronous call a request is. The proxy shows the
 * deployment's delivery token with it. Without this check another process of the machine, or another container, could
 * forge events and calls, since it reaches the port of an instance past the proxy.
 *
 * Invariants: 1. a request without the token is no call, whatever it says, and no event. 2. handlers do not see the
 * token, nor a call id that proved nothing. 3. an instance that was given no token believes nobody.
 */
import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { HEADERS } from '../protocol/index.ts'
import { hideHeaders } from './hide-headers.ts'

const TOKEN = [HEADERS.delivery]
const CLAIMS = [HEADERS.delivery, HEADERS.callId, HEADERS.callAttempt]

/** @returns whether the platform sent the request */
export function isDelivered(request: IncomingMessage, token: string | undefined): boolean {
  const { headers } = request
  const given = headers[HEADERS.delivery]
  if (typeof given === 'string' && token !== undefined && isEqual(given, token)) {
    hideHeaders(request, TOKEN)
    return true
  }
  if (CLAIMS.some(name => headers[name] !== undefined)) hideHeaders(request, CLAIMS)
  return false
}

function isEqual(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}
