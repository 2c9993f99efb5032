/** Vercel's and Next's `(request, response)` with their helpers: `request.query`, `response.status(200).json(…)`. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HttpHandler } from '../../handlers.ts'
import { mismatch, type Adapted, type Surroundings } from './adapter.ts'
import { formOf, isJson, mediaTypeOf, readBody, splitUrl } from './body.ts'

type ApiHandler = (request: IncomingMessage, response: ServerResponse) => unknown

export async function vercel(exported: unknown, _options: unknown, surroundings: Surroundings): Promise<Adapted> {
  const api = (await exported) as ApiHandler
  if (typeof api !== 'function') throw mismatch(surroundings, 'a handler')
  const handler: HttpHandler = async (request, response, { params }) => {
    const body = await readBody(request)
    Object.defineProperties(request, {
      query: lazily(() => ({ ...formOf(splitUrl(request.url).query), ...params })),
      cookies: lazily(() => cookiesOf(request.headers.cookie)),
      body: lazily(() => parsedBody(request, body)),
    })
    Object.assign(response, helpers(request, response))
    try {
      await api(request, response)
    } catch (error) {
      if (!(error instanceof InvalidBody) || response.headersSent) throw error
      response.writeHead(400, { 'content-type': 'text/plain; charset=utf-8' }).end(error.message)
    }
  }
  return { handler: { style: 'node', takesContext: true, handler } }
}

/** What the handler reads first is computed then; what it sets stays. */
function lazily(compute: () => unknown): PropertyDescriptor {
  let known: { value: unknown } | undefined
  return {
    configurable: true,
    enumerable: true,
    get: () => (known ??= { value: compute() }).value,
    set: (value: unknown) => void (known = { value }),
  }
}

class InvalidBody extends Error {}

function parsedBody(request: IncomingMessage, body: Buffer): unknown {
  const type = mediaTypeOf(request)
  if (isJson(type)) {
    if (body.length === 0) return {}
    try {
      return JSON.parse(body.toString()) as unknown
    } catch (error) {
      throw new InvalidBody('Invalid JSON', { cause: error })
    }
  }
  if (type === 'application/x-www-form-urlencoded') return formOf(body.toString())
  if (type === 'application/octet-stream') return body
  return type === 'text/plain' ? body.toString() : undefined
}

function cookiesOf(header = ''): Record<string, string> {
  const cookies: Record<string, string> = {}
  for (const pair of header.split(';')) {
    const at = pair.indexOf('=')
    if (at < 1) continue
    const name = pair.slice(0, at).trim()
    if (Object.hasOwn(cookies, name)) continue
    cookies[name] = decoded(
      pair
        .slice(at + 1)
        .trim()
        .replace(/^"(.*)"$/, '$1'),
    )
  }
  return cookies
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function helpers(request: IncomingMessage, response: ServerResponse) {
  const answer = (type: string, content: string | Buffer): ServerResponse => {
    if (!response.hasHeader('content-type')) response.setHeader('content-type', type)
    const bytes = Buffer.from(content as string)
    response.setHeader('content-length', bytes.length)
    return response.end(request.method === 'HEAD' ? undefined : bytes)
  }
  const json = (value: unknown): ServerResponse =>
    answer('application/json; charset=utf-8', JSON.stringify(value) ?? '')
  return {
    status(code: number): ServerResponse {
      response.statusCode = code
      return response
    },
    json,
    send(value: unknown): ServerResponse {
      if (response.statusCode === 204 || response.statusCode === 304 || value === undefined || value === null) {
        return response.end()
      }
      if (typeof value === 'string') return answer('text/html; charset=utf-8', value)
      return Buffer.isBuffer(value) ? answer('application/octet-stream', value) : json(value)
    },
    redirect(statusOrUrl: number | string, url?: string): ServerResponse {
      const [status, location] = typeof statusOrUrl === 'number' ? [statusOrUrl, url ?? '/'] : [307, statusOrUrl]
      return response.writeHead(status, { location }).end(location)
    },
  }
}
