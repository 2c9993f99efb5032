/** Handlers of OpenFaaS' node templates: `async (event, context) => context.status(200).succeed(…)`. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { logError } from '../../log-error.ts'
import { mismatch, type Adapted, type Surroundings } from './adapter.ts'
import { formOf, hasBody, mediaTypeOf, readBody, splitUrl } from './body.ts'

type Callback = (error: unknown, result?: unknown) => void
type TemplateHandler = (event: object, context: TemplateContext, callback: Callback) => unknown

export async function openfaas(exported: unknown, _options: unknown, surroundings: Surroundings): Promise<Adapted> {
  const template = (await exported) as TemplateHandler
  if (typeof template !== 'function') throw mismatch(surroundings, 'a handler')
  const { name, env } = surroundings
  const handler = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { path, query } = splitUrl(request.url)
    const event = {
      body: bodyOf(request, hasBody(request) ? await readBody(request) : NOTHING, env['RAW_BODY'] === 'true'),
      headers: request.headers,
      method: request.method,
      query: formOf(query),
      path,
    }
    const context = new TemplateContext((error, result) => {
      if (response.headersSent) return
      if (error) logError(`${name} answered with an error:`, error)
      send(response, context, error ? { status: 500, value: textOf(error) } : { value: result })
    })
    try {
      const returned: unknown = await template(event, context, context.cb)
      if (context.cbCalled === 0) context.succeed(returned)
    } catch (error) {
      context.cb(error)
    }
  }
  return { handler: { style: 'node', takesContext: false, handler } }
}

const NOTHING = Buffer.alloc(0)

/** Named as in the template: handlers call these. */
class TemplateContext {
  readonly cb: Callback
  cbCalled = 0
  #status = 200
  #headers: Record<string, string> = {}

  constructor(callback: Callback) {
    this.cb = callback
  }

  status(): number
  status(status: number): this
  status(status?: number): number | this {
    if (!status) return this.#status
    this.#status = status
    return this
  }

  headers(): Record<string, string>
  headers(headers: Record<string, string>): this
  headers(headers?: Record<string, string>): Record<string, string> | this {
    if (!headers) return this.#headers
    this.#headers = headers
    return this
  }

  succeed(value: unknown): void {
    this.cbCalled++
    this.cb(undefined, value)
  }

  fail(value: unknown): void {
    this.cbCalled++
    this.cb(value)
  }
}

function bodyOf(request: IncomingMessage, body: Buffer, isRaw: boolean): unknown {
  if (isRaw) return body
  const type = mediaTypeOf(request)
  if (type === 'application/json' && body.length > 0) return JSON.parse(body.toString()) as unknown
  if (type === 'application/x-www-form-urlencoded') return formOf(body.toString())
  return type.startsWith('text/') ? body.toString() : {}
}

function send(
  response: ServerResponse,
  context: TemplateContext,
  { status, value }: { status?: number; value: unknown },
): void {
  response.statusCode = status ?? context.status()
  if (status === undefined) {
    for (const [name, text] of Object.entries(context.headers())) {
      response.setHeader(name, name.toLowerCase() === 'content-type' ? withCharset(text) : text)
    }
  }
  if (value === undefined) return void response.end()
  if (Buffer.isBuffer(value)) {
    if (!response.hasHeader('content-type')) response.setHeader('content-type', 'application/octet-stream')
    return void response.end(value)
  }
  if (!response.hasHeader('content-type')) response.setHeader('content-type', 'text/html; charset=utf-8')
  response.end(typeof value === 'string' ? value : JSON.stringify(value))
}

/** As Express, on which the template is built. */
function withCharset(type: string): string {
  return /^(?:text\/|application\/json)/.test(type) && !type.includes('charset') ? `${type}; charset=utf-8` : type
}

function textOf(error: unknown): unknown {
  return error instanceof Error ? String(error) : error
}
