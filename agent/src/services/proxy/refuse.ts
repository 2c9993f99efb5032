/** Answers a request with an error of the platform's own. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { platformError, type PlatformErrorCode } from '@ryo-faas/runtime/protocol'
import { linger } from './request-body.ts'

export interface Refusal {
  code: PlatformErrorCode
  reason: string
  requestId: string
}

const RETRY_SOON: readonly PlatformErrorCode[] = ['FUNCTION_UNAVAILABLE', 'FUNCTION_OVERLOADED', 'ASYNC_UNAVAILABLE']

export function errorAnswer({ code, reason, requestId }: Refusal): ReturnType<typeof platformError> {
  const error = platformError(code, reason, requestId)
  if (RETRY_SOON.includes(code)) error.headers['retry-after'] = '1'
  if (code === 'UNAUTHORIZED') error.headers['www-authenticate'] = 'Bearer realm="ryo-faas"'
  return error
}

export function refuse(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  const { status, headers, body } = errorAnswer(refusal)
  if (refusal.code === 'BAD_REQUEST') headers['connection'] = 'close'
  response.writeHead(status, headers)
  response.end(body)
  if (!request.complete) linger(request)
}
