/**
 * What only the platform may send: document events, the id of an asynchronous call, and who called. The proxy sends the
 * deployment's delivery token with it. Without this check another process of the machine, or another container, could
 * forge events and calls, since it can reach the port of an instance without the proxy.
 *
 * Invariants: 1. A request without the token is neither a call nor an event, and nobody's. 2. Handlers do not see the
 * token, nor a call id without it. 3. An instance without a token trusts no request.
 */
import type { IncomingMessage } from 'node:http'
import { HEADERS } from '../protocol/index.ts'
import { hideHeaders } from './hide-headers.ts'
import { isSameSecret } from './same-secret.ts'

const TOKEN = [HEADERS.delivery]
const CLAIMS = [HEADERS.delivery, HEADERS.callId, HEADERS.callAttempt, HEADERS.caller]

/** @returns whether the platform sent the request */
export function isDelivered(request: IncomingMessage, token: string | undefined): boolean {
  const { headers } = request
  const given = headers[HEADERS.delivery]
  if (typeof given === 'string' && token !== undefined && isSameSecret(given, token)) {
    hideHeaders(request, TOKEN)
    return true
  }
  if (CLAIMS.some(name => headers[name] !== undefined)) hideHeaders(request, CLAIMS)
  return false
}
