/**
 * The gate before what the proxy serves besides functions. Invariants: 1. what is not opened here is the operator's.
 * 2. no page in a browser comes in, not by a domain that resolves to us either. 3. `/metrics`, which tell names and load
 * of all functions, are also shown to programs on this machine.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { PlatformErrorCode } from '@ryo-faas/runtime/protocol'
import { type Credentials, isFromOtherOrigin, isOurHost } from '../../../access/index.ts'

/** What is looked at of a request. */
interface Asked {
  headers: IncomingHttpHeaders
  socket: { remoteAddress?: string | undefined }
}

export interface Refused {
  code: PlatformErrorCode
  reason: string
}

const LOOPBACK = /^(?:127\.|::1$|::ffff:127\.)/

/** @returns undefined for the operator */
export function refuseOthers(request: Asked, credentials: Credentials | undefined): Refused | undefined {
  const page = refusePages(request)
  if (page !== undefined) return page
  const principal = credentials?.identify(request.headers.authorization)
  if (principal?.kind === 'operator') return undefined
  return principal === undefined
    ? { code: 'UNAUTHORIZED', reason: 'this is for the operator: send the token of the platform as bearer token' }
    : { code: 'FORBIDDEN', reason: 'this is for the operator' }
}

/** For requests that name a call: who knows its id has been told it. Any name may lead here, by a proxy in front. */
export function refuseOtherOrigins({ headers }: Pick<Asked, 'headers'>): Refused | undefined {
  return isFromOtherOrigin(headers)
    ? { code: 'FORBIDDEN', reason: 'pages of other origins are not answered here' }
    : undefined
}

export function refuseStrangers(request: Asked, credentials: Credentials | undefined): Refused | undefined {
  const isNear = LOOPBACK.test(request.socket.remoteAddress ?? '')
  return isNear ? refusePages(request) : refuseOthers(request, credentials)
}

function refusePages(request: Asked): Refused | undefined {
  const { host } = request.headers
  if (isOurHost(host)) return refuseOtherOrigins(request)
  return { code: 'FORBIDDEN', reason: `Host header ${JSON.stringify(host ?? '')} is not allowed here` }
}
