/** Writes a Fetch `Response` to the connection: in one piece if complete, otherwise streamed at the client's pace. */
import type { ServerResponse } from 'node:http'
import type { Invocation } from './invocation.ts'

type Reader = ReadableStreamDefaultReader<Uint8Array>
type Read = ReadableStreamReadResult<Uint8Array>

/** Rejects if the body fails or is not a byte stream; the caller decides what that means for the connection. */
export async function sendResponse(source: Response, { request, response }: Invocation): Promise<void> {
  if (response.headersSent || response.destroyed) {
    await source.body?.cancel()
    return
  }
  const { status } = source
  if (request.method === 'HEAD' || status === 204 || status === 304) {
    response.writeHead(status, source.statusText, headersOf(source)).end()
    await source.body?.cancel()
  } else if (!source.body) {
    sendWhole(source, response, new Uint8Array())
  } else {
    await sendBody(source, source.body.getReader(), response)
  }
}

async function sendBody(source: Response, reader: Reader, response: ServerResponse): Promise<void> {
  const cancelled = new Promise<void>((resolve, reject) => {
    response.once('close', () => {
      if (response.writableFinished) resolve()
      else reader.cancel(new DOMException('The client closed the connection', 'AbortError')).then(resolve, reject)
    })
  })
  // Its outcome is used at the end; until then it must not count as an unhandled rejection.
  cancelled.catch(() => {})

  // A body made from a string or buffer is complete within this turn: one write, and a length instead of chunks.
  const turn = new Promise<undefined>(resolve => setImmediate(resolve, undefined))
  let next = reader.read()
  const first = await Promise.race([next, turn])
  if (first?.done) return sendWhole(source, response, new Uint8Array())
  if (first) {
    next = reader.read()
    const second = await Promise.race([next, turn])
    if (second?.done) return sendWhole(source, response, bytesOf(first))
  }
  response.writeHead(source.status, source.statusText, headersOf(source))
  if (first) await write(response, bytesOf(first))
  else response.flushHeaders()
  for (let read = await next; !read.done; read = await reader.read()) await write(response, bytesOf(read))
  response.end()
  if (response.destroyed) await cancelled
}

function sendWhole(source: Response, response: ServerResponse, body: Uint8Array): void {
  const headers = headersOf(source)
  if (!source.headers.has('content-length')) headers.push('content-length', String(body.byteLength))
  response.writeHead(source.status, source.statusText, headers).end(body)
}

/** Flat list of names and values, in which `set-cookie` may occur more than once. */
function headersOf(source: Response): string[] {
  // fetch() has already decoded such a body, so these two describe what came over the wire, not what goes out.
  const decoded = source.url !== '' && source.headers.has('content-encoding')
  const headers: string[] = []
  for (const [name, value] of source.headers) {
    if (decoded && (name === 'content-encoding' || name === 'content-length')) continue
    headers.push(name, value)
  }
  return headers
}

function bytesOf(read: Read): Uint8Array {
  if (read.value instanceof Uint8Array) return read.value
  throw new TypeError(`The body of a Response must consist of Uint8Array chunks, but one is a ${typeof read.value}`)
}

/** Resolves when more can be written, or when the client is gone. */
async function write(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  if (response.write(bytes) || response.destroyed) return
  await new Promise<void>(resolve => {
    const proceed = (): void => {
      response.off('drain', proceed).off('close', proceed)
      resolve()
    }
    response.on('drain', proceed).on('close', proceed)
  })
}
