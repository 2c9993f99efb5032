/**
 * Answers connections of the platform only, where others reach the address of an instance too.
 *
 * Invariants: 1. A connection that has not shown the key runs nothing and learns nothing, not even which instance this
 * is. 2. It is shown once, in the first request of a connection: later ones cost a look-up. 3. Handlers do not see it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { HEADERS } from '../protocol/index.ts'
import { hideHeaders } from './hide-headers.ts'
import { answerJson } from './platform-answer.ts'
import { isSameSecret } from './same-secret.ts'

const FORBIDDEN = 403
const NAMES = [HEADERS.instanceKey]

export interface ConnectionGuard {
  /** @returns whether the request may go on; if not, it has been answered. */
  admits(request: IncomingMessage, response: ServerResponse): boolean
  /** Whether a request on it would go on, as far as is known. */
  hasAdmitted(connection: Duplex): boolean
}

/** @param key undefined: everybody is answered */
export function connectionGuard(key: string | undefined): ConnectionGuard {
  if (key === undefined) return { admits: () => true, hasAdmitted: () => true }
  const admitted = new WeakSet<Duplex>()
  const hasAdmitted = (connection: Duplex) => admitted.has(connection)
  const admits: ConnectionGuard['admits'] = (request, response) => {
    const given = request.headers[HEADERS.instanceKey]
    if (given !== undefined) {
      hideHeaders(request, NAMES)
      if (typeof given === 'string' && isSameSecret(given, key)) admitted.add(request.socket)
    }
    if (hasAdmitted(request.socket)) return true
    response.shouldKeepAlive = false
    answerJson(response, FORBIDDEN, { message: 'Only the platform is answered here.' })
    request.resume()
    return false
  }
  return { admits, hasAdmitted }
}
