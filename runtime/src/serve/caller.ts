/**
 * Who called, as the proxy says. Only requests with the deployment's delivery token still have the header: see
 * `delivery.ts`. The claims of a JWT are not repeated in it; the proxy has verified the token itself, which comes along.
 */
import type { IncomingMessage } from 'node:http'
import type { Caller } from '../context.ts'
import { HEADERS } from '../protocol/index.ts'
import { hideHeaders } from './hide-headers.ts'

/** @returns undefined if the function lets everybody in */
export function takeCaller(request: IncomingMessage): Caller | undefined {
  const text = request.headers[HEADERS.caller]
  if (text === undefined) return undefined
  hideHeaders(request, [HEADERS.caller])
  const caller = JSON.parse(decodeURIComponent(String(text))) as Caller
  if (caller.kind !== 'jwt' || 'claims' in caller) return caller
  return { ...(caller as object), claims: claimsIn(request.headers.authorization) } as Caller
}

function claimsIn(authorization = ''): Record<string, unknown> {
  try {
    const [, payload = ''] = authorization.split('.')
    return JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>
  } catch {
    return {} // The caller told the proxy not to pass the token on (`Connection: Authorization`).
  }
}
