/** Answers a request with a platform error. */
import { platformError, type PlatformErrorCode } from '@ryo-faas/runtime/protocol'
import type { ClientRequest, ClientResponse } from './client.ts'
import { linger } from './request-body.ts'

export interface Refusal {
  code: PlatformErrorCode
  reason: string
  requestId: string
  /** For METHOD_NOT_ALLOWED; default: what any function may answer. */
  allow?: string
  /** For errors that pass; default: 1. */
  retryAfterSeconds?: number
}

const RETRY_SOON: readonly PlatformErrorCode[] = [
  'FUNCTION_UNAVAILABLE',
  'FUNCTION_OVERLOADED',
  'TOO_MANY_STREAMS',
  'ASYNC_UNAVAILABLE',
  'RATE_LIMITED',
]

export const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'

export function errorAnswer(refusal: Refusal): ReturnType<typeof platformError> {
  const { code, reason, requestId, allow = METHODS, retryAfterSeconds = 1 } = refusal
  const error = platformError(code, reason, requestId)
  // RFC 9110 §15.5.6 asks for it.
  if (code === 'METHOD_NOT_ALLOWED') error.headers['allow'] = allow
  if (RETRY_SOON.includes(code)) error.headers['retry-after'] = String(retryAfterSeconds)
  if (code === 'UNAUTHORIZED') error.headers['www-authenticate'] = 'Bearer realm="ryo-faas"'
  return error
}

export function refuse(request: ClientRequest, response: ClientResponse, refusal: Refusal): void {
  const { status, headers, body } = errorAnswer(refusal)
  if (refusal.code === 'BAD_REQUEST') response.shouldKeepAlive = false
  response.writeHead(status, headers)
  response.end(body)
  if (!request.complete) linger(request)
}
