/**
 * Pages of other origins (the Fetch standard's CORS protocol), as deploy.json allows them: a preflight is answered here,
 * and answers say which page may read them. This is no access rule: it keeps browsers from showing pages what others may
 * read, and nothing else.
 *
 * Invariant: for a function with `cors` it alone decides; what the function says about it itself is dropped.
 */
import { HEADERS } from '@ryo-faas/runtime/protocol'
import type { IncomingHttpHeaders } from 'node:http'
import type { Cors } from '../../../contract/index.ts'
import type { ClientResponse } from '../http/client.ts'

/** What pages may read of every answer, as far as the platform made it. */
const EXPOSED = ['X-Request-Id', 'X-Call-Id', 'X-Ryo-Faas-Error', 'Retry-After', 'Location']
const HEADER_NAMES = /^[\w!#$%&'*+.^`|~, -]*$/
const PREFIX = 'access-control-'

/** A browser asks whether a page may send the request that follows. */
export function isPreflight(method: string | undefined, headers: IncomingHttpHeaders): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined
}

/** @param methods that the function answers */
export function answerPreflight(
  { headers }: { headers: IncomingHttpHeaders },
  response: ClientResponse,
  { cors, methods, requestId }: { cors: Cors; methods: string; requestId: string },
): void {
  const asked = headers['access-control-request-headers']
  const allowed = cors.headers?.join(', ') ?? (typeof asked === 'string' && HEADER_NAMES.test(asked) ? asked : '')
  const isAllowed = originAllowed(cors, headers.origin) !== undefined
  response.writeHead(204, {
    [HEADERS.requestId]: requestId,
    Vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
    ...(isAllowed && {
      'Access-Control-Allow-Methods': cors.methods?.join(', ') ?? methods,
      ...(allowed !== '' && { 'Access-Control-Allow-Headers': allowed }),
      'Access-Control-Max-Age': String(cors.maxAgeSeconds),
    }),
  })
  response.end()
}

/** Sets the headers that every answer to this request has, whoever makes it. */
export function setCorsHeaders(response: ClientResponse, cors: Cors, origin: string | undefined): void {
  const allowed = originAllowed(cors, origin)
  if (allowed !== '*') response.setHeader('Vary', 'Origin')
  if (allowed === undefined) return
  response.setHeader('Access-Control-Allow-Origin', allowed)
  if (cors.credentials) response.setHeader('Access-Control-Allow-Credentials', 'true')
  response.setHeader('Access-Control-Expose-Headers', [...EXPOSED, ...cors.exposeHeaders].join(', '))
}

/** In the flat list of headers of a function's answer. */
export function withoutCors(headers: string[], cors: Cors): void {
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    if (headers[i]!.toLowerCase().startsWith(PREFIX)) headers.splice(i, 2)
  }
  // In place of the one that was set: what the function's own answer depends on counts as well.
  if (cors.origins !== '*') headers.push('Vary', 'Origin')
}

function originAllowed({ origins }: Cors, origin: string | undefined): string | undefined {
  if (origin === undefined) return undefined
  if (origins === '*') return '*'
  return origins.includes(origin.toLowerCase()) ? origin : undefined
}
