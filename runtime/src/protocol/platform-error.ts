import { HEADERS } from './headers.ts'

/** Codes of responses that come from the data plane, not from a function. */
export const PLATFORM_ERRORS = {
  BAD_REQUEST: 400,
  /** The caller is unknown. */
  UNAUTHORIZED: 401,
  /** The caller is known but may not do this. */
  FORBIDDEN: 403,
  FUNCTION_NOT_FOUND: 404,
  /** The function exists, but serves nothing at this path. */
  HANDLER_NOT_FOUND: 404,
  CALL_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  CALL_FINAL: 409,
  /** The function's response was too large to be kept. */
  RESULT_TOO_LARGE: 410,
  PAYLOAD_TOO_LARGE: 413,
  /** The key was used for a different request. */
  IDEMPOTENCY_KEY_REUSED: 422,
  FUNCTION_OVERLOADED: 429,
  /** Too many streams of server-sent events from one address. */
  TOO_MANY_STREAMS: 429,
  /** The caller has made the calls that the function's `rate` allows. */
  RATE_LIMITED: 429,
  FUNCTION_ERROR: 500,
  UPGRADE_UNSUPPORTED: 501,
  FUNCTION_CRASHED: 502,
  FUNCTION_UNAVAILABLE: 503,
  ASYNC_UNAVAILABLE: 503,
  FUNCTION_TIMEOUT: 504,
} as const

export type PlatformErrorCode = keyof typeof PLATFORM_ERRORS

/** Wire shape of every platform error, `application/json`. */
export interface PlatformErrorBody {
  error: { code: PlatformErrorCode; message: string; requestId: string }
}

/**
 * Status, headers and body of a platform error. The header `X-Ryo-Faas-Error` distinguishes it from a function's own
 * response with the same status.
 */
export function platformError(
  code: PlatformErrorCode,
  message: string,
  requestId: string,
): { status: number; headers: Record<string, string>; body: string } {
  const body = JSON.stringify({ error: { code, message, requestId } } satisfies PlatformErrorBody) + '\n'
  return {
    status: PLATFORM_ERRORS[code],
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(Buffer.byteLength(body)),
      [HEADERS.error]: code,
      [HEADERS.requestId]: requestId,
    },
    body,
  }
}
