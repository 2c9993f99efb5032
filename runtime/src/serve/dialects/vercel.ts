/** Vercel's and Next's `(request, response)` with their helpers: `request.query`, `response.status(200).json(…)`. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HttpHandler } from '../../handlers.ts'
import { mismatch, type Adapted, type Surroundings } from './adapter.ts'
import { formOf, hasBody, isJson, mediaTypeOf, readBody, splitUrl } from './body.ts'

type ApiHandler = (request: IncomingMessage, response: ServerResponse) => unknown

export async function vercel(exported: unknown, _options: unknown, surroundings: Surroundings): Promise<Adapted> {
  const api = (await exported) as ApiHandler
  if (typeof api !== 'function') throw mismatch(surroundings, 'a handler')
  const handler: HttpHandler = async (request, response, { params }) => {
    helpRequest(request, params, hasBody(request) ? await readBody(request) : undefined)
    Object.assign(response, HELPERS)
    try {
      await api(request, response)
    } catch (error) {
      if (!(error instanceof InvalidBody) || response.headersSent) throw error
      response.writeHead(400, { 'content-type': 'text/plain; charset=utf-8' }).end(error.message)
    }
  }
  return { handler: { style: 'node', takesContext: true, handler } }
}

/** Plain values where they cost nothing: accessors on every single request would make all of it slow. */
function helpRequest(request: IncomingMessage, params: Readonly<Record<string, string>>, body?: Buffer): void {
  const { query } = splitUrl(request.url)
  const { cookie } = request.headers
  Object.assign(request, {
    query: { ...(query !== '' && formOf(query)), ...params },
    cookies: cookie === undefined ? {} : cookiesOf(cookie),
    body: undefined,
  })
  if (body === undefined) return
  // A body that is not what it says fails where the handler reads it.
  let known: { value: unknown } | undefined
  Object.defineProperty(request, 'body', {
    configurable: true,
    enumerable: true,
    get: () => (known ??= { value: parsedBody(request, body) }).value,
    set: (value: unknown) => void (known = { value }),
  })
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

function cookiesOf(header: string): Record<string, string> {
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

interface HelpedResponse extends ServerResponse {
  json(value: unknown): this
}

const HELPERS = {
  status(this: HelpedResponse, code: number): HelpedResponse {
    this.statusCode = code
    return this
  },
  json(this: HelpedResponse, value: unknown): HelpedResponse {
    return answer(this, 'application/json; charset=utf-8', JSON.stringify(value) ?? '')
  },
  send(this: HelpedResponse, value: unknown): HelpedResponse {
    if (this.statusCode === 204 || this.statusCode === 304 || value === undefined || value === null) return this.end()
    if (typeof value === 'string') return answer(this, 'text/html; charset=utf-8', value)
    return Buffer.isBuffer(value) ? answer(this, 'application/octet-stream', value) : this.json(value)
  },
  redirect(this: HelpedResponse, statusOrUrl: number | string, url?: string): HelpedResponse {
    const [status, location] = typeof statusOrUrl === 'number' ? [statusOrUrl, url ?? '/'] : [307, statusOrUrl]
    return this.writeHead(status, { location }).end(location)
  },
}

function answer(response: HelpedResponse, type: string, content: string | Buffer): HelpedResponse {
  const given = response.hasHeader('content-type') ? undefined : { 'content-type': type }
  response.writeHead(response.statusCode, { ...given, 'content-length': Buffer.byteLength(content) })
  return response.end(response.req.method === 'HEAD' ? undefined : content)
}
