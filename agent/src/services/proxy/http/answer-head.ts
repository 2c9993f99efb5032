/** What the proxy reads from and writes into the head of an instance's answer. */
import { HEADERS, PLATFORM_ERRORS, type PlatformErrorCode } from '@ryo-faas/runtime/protocol'
import { withoutCors } from '../access/cors.ts'
import type { Call } from './call.ts'
import type { ClientResponse } from './client.ts'
import { isNamed, valuesOf, type ResponseHead } from '../upstream/index.ts'

/**
 * The code of a platform error from the runtime of `instance`; undefined for the function's own answers, also
 * those that relay a platform error of another function.
 */
export function platformCodeOf(head: ResponseHead, instance: string): PlatformErrorCode | undefined {
  if (head.status < 400 || valuesOf(head.headers, HEADERS.errorFrom)[0] !== instance) return undefined
  const code = valuesOf(head.headers, HEADERS.error)[0]
  return code !== undefined && Object.hasOwn(PLATFORM_ERRORS, code) ? (code as PlatformErrorCode) : undefined
}

/** The label of an error: the platform's code, or `FUNCTION_5XX` for the function's own. */
export function errorLabelOf(status: number, code: PlatformErrorCode | undefined): string | undefined {
  return code ?? (status >= 500 ? 'FUNCTION_5XX' : undefined)
}

/** Below the path of one function a page would install a service worker for all of them, and for the platform's own paths. */
const WIDER_WORKER = 'service-worker-allowed'

/**
 * The headers for the client: those of the instance, with the request id of the call. Only the platform reports its
 * errors, and no function takes a wider scope than its own path.
 */
export function clientHeaders(
  { headers }: ResponseHead,
  { head: { requestId }, entry }: Pick<Call, 'head' | 'entry'>,
  code?: PlatformErrorCode,
): string[] {
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    const name = headers[i]!
    const isForged = code === undefined && isNamed(name, HEADERS.error)
    const isOurs = isNamed(name, HEADERS.requestId) || isNamed(name, HEADERS.errorFrom)
    if (isForged || isOurs || isNamed(name, WIDER_WORKER)) headers.splice(i, 2)
  }
  const { cors } = entry.route
  if (cors !== undefined) withoutCors(headers, cors)
  headers.push('X-Request-Id', requestId)
  return headers
}

/**
 * Writes a head whose headers take the place of those of the same name that were set before.
 * Once any was set, `writeHead` of Node 20 keeps only the last of two in the list, which loses cookies.
 */
export function writeAnswerHead(response: ClientResponse, status: number, headers: string[]): void {
  if (response.replacesHeaders === true || response.getHeaderNames().length === 0)
    return void response.writeHead(status, headers)
  for (let i = 0; i < headers.length; i += 2) response.removeHeader(headers[i]!)
  for (let i = 0; i < headers.length; i += 2) response.appendHeader(headers[i]!, headers[i + 1]!)
  response.writeHead(status)
}

/** Hints (103) go on to the client; other interim answers mean nothing to it. */
export function passHintsOn(
  { status, headers }: ResponseHead,
  { request, response }: Pick<Call, 'request' | 'response'>,
): void {
  if (status !== 103 || request.httpVersionMinor === 0 || response.headersSent) return
  const links = valuesOf(headers, 'link')
  try {
    if (links.length > 0) response.writeEarlyHints({ link: links })
  } catch {
    // Losing a hint whose link node refuses is no reason to fail the call.
  }
}
