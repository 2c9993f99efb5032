/** One request to a function server, and its response, without a port. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { ReadableStream as NodeStream } from 'node:stream/web'
import type { FunctionServer } from '../serve/function-server.ts'
import { connectInMemory } from './memory-socket.ts'

/** They describe the connection, not the response; the platform does not pass them on either. */
const OF_CONNECTION = ['connection', 'keep-alive', 'transfer-encoding']
const WITHOUT_BODY = [204, 205, 304]

export async function exchange(server: FunctionServer, request: Request): Promise<Response> {
  const { client, server: connection } = connectInMemory()
  server.accept(connection)
  const { method, signal } = request
  const url = new URL(request.url)
  const headers = Object.fromEntries(request.headers)
  const body = request.body === null ? undefined : await bodyOf(request)
  if (Buffer.isBuffer(body)) headers['content-length'] = String(body.length)
  const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
    signal.throwIfAborted()
    const createConnection = () => client as Socket
    const path = url.pathname + url.search
    const outgoing = httpRequest({ createConnection, method, path, headers: { host: url.host, ...headers } })
    outgoing.on('response', resolve).on('error', error => reject(signal.aborted ? (signal.reason as Error) : error))
    signal.addEventListener('abort', () => outgoing.destroy(), { once: true })
    if (body instanceof Readable) body.on('error', error => outgoing.destroy(error)).pipe(outgoing)
    else outgoing.end(body)
  })
  return responseOf(incoming, method)
}

/** A stream stays one: the handler sees its parts as they come. */
async function bodyOf(request: Request): Promise<Buffer | Readable> {
  if (!streams.has(request)) return Buffer.from(await request.arrayBuffer())
  return Readable.fromWeb(request.body as NodeStream)
}

/** Requests whose body was given as a stream. */
const streams = new WeakSet<Request>()

/** A request of its own, whose headers may be changed. */
export function requestOf(input: string | URL | Request, init: RequestInit = {}): Request {
  if (typeof input === 'string') {
    const isWhole = URL.canParse(input)
    if (!isWhole && !/^[/?]/.test(input))
      throw new TypeError(`'${input}' is neither a path that starts with / nor a URL`)
    input = isWhole ? input : new URL(input, 'http://localhost')
  }
  const isStream = init.body instanceof ReadableStream
  const request = new Request(input, isStream ? ({ ...init, duplex: 'half' } as RequestInit) : init)
  if (isStream) streams.add(request)
  return request
}

function responseOf(incoming: IncomingMessage, method: string): Response {
  const { statusCode: status = 500, statusMessage: statusText = '', rawHeaders } = incoming
  const headers = new Headers()
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (!OF_CONNECTION.includes(rawHeaders[at]!.toLowerCase())) headers.append(rawHeaders[at]!, rawHeaders[at + 1]!)
  }
  if (method !== 'HEAD' && !WITHOUT_BODY.includes(status)) {
    return new Response(Readable.toWeb(incoming) as ReadableStream, { status, statusText, headers })
  }
  incoming.resume()
  return new Response(null, { status, statusText, headers })
}
