/** Runs handlers of the shape `(request: Request, context) => Response`. */
import type { IncomingMessage } from 'node:http'
import type { WebHandler } from '../handlers.ts'
import type { Invocation } from './invocation.ts'
import { sendResponse } from './web-response.ts'

/** A host with an optional port; anything else could move the path of the URL. */
const HOST = /^[\w.-]+(:\d+)?$|^\[[\da-f:.]+\](:\d+)?$/i

export async function runWebHandler(handler: WebHandler, invocation: Invocation): Promise<void> {
  const request = toWebRequest(invocation)
  if (!request) {
    invocation.refuse('BAD_REQUEST', 'The request has a host, path or method that a Request cannot have.')
    return
  }
  invocation.webRequest = request
  const returned: unknown = await handler(request, invocation.context)
  if (!isResponse(returned)) {
    throw new TypeError(`A web-style handler must return a Response, but this one returned ${describe(returned)}`)
  }
  await sendResponse(returned, invocation)
}

/** `undefined` for the few requests that HTTP allows but Fetch does not. */
function toWebRequest(invocation: Invocation): Request | undefined {
  const { request } = invocation
  const url = urlOf(request)
  if (!url) return undefined
  const init: RequestInit & { duplex?: 'half' } = {
    method: request.method ?? 'GET',
    headers: request.headers as Record<string, string>,
    signal: invocation.signal,
  }
  if (hasBody(request)) {
    // A handler that cancels the body may still answer, so this must not destroy the connection.
    init.body = request.iterator({ destroyOnReturn: false }) as unknown as BodyInit
    init.duplex = 'half'
    // Node reads on to the next request only past the end of this body.
    invocation.response.once('finish', () => request.resume())
  }
  try {
    return new Request(url, init)
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

function hasBody({ method, headers }: IncomingMessage): boolean {
  if (method === 'GET' || method === 'HEAD') return false
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** The URL as the proxy's client knows it, below the function's own root. */
function urlOf({ headers, url = '/' }: IncomingMessage): string | undefined {
  const scheme = firstOf(headers['x-forwarded-proto']) ?? 'http'
  const host = firstOf(headers['x-forwarded-host']) ?? headers.host ?? 'localhost'
  if ((scheme !== 'http' && scheme !== 'https') || !HOST.test(host) || !url.startsWith('/')) return undefined
  return `${scheme}://${host}${url}`
}

function firstOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header.split(',', 1)[0]?.trim() : undefined
}

/** By name, not by `instanceof`: a Response of the package `undici` or of another realm is also valid. */
export function isResponse(value: unknown): value is Response {
  return Object.prototype.toString.call(value) === '[object Response]'
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  return typeof value === 'object'
    ? `an object (${value.constructor?.name ?? 'without prototype'})`
    : `a ${typeof value}`
}
