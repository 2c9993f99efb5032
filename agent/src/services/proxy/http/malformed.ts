/**
 * Answers what never became a request: broken syntax, oversized headers, a head that does not end.
 *
 * Invariants: 1. The connection is closed. 2. A complete request gets its own answer, whatever follows it: the error
 * is not for it. 3. Nothing is written into an answer that has started.
 */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { platformError } from '@ryo-faas/runtime/protocol'

const CASES: Record<string, { status: string; message: string }> = {
  HPE_HEADER_OVERFLOW: { status: '431 Request Header Fields Too Large', message: 'the header block is too large' },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: '413 Payload Too Large', message: 'chunk extensions are too large' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: '408 Request Timeout', message: 'the request did not arrive in time' },
}
const MALFORMED = { status: '400 Bad Request', message: 'malformed request' }

export interface Broken {
  socket: Socket
  /** The answer to the latest request of the connection, if there was one. */
  latest: ServerResponse | undefined
  requestId: string
}

export function answerMalformed(error: NodeJS.ErrnoException, { socket, latest, requestId }: Broken): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
  const isOpen = latest !== undefined && !(latest.writableFinished && latest.req.complete)
  if (isOpen) {
    if (latest.req.complete) return closeAfter(latest, socket)
    if (latest.headersSent || currentAnswer(socket) !== latest) return void socket.destroy()
  }
  const { status, message } = CASES[error.code ?? ''] ?? MALFORMED
  const { headers, body } = platformError('BAD_REQUEST', message, requestId)
  const lines = Object.entries({ ...headers, connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status}\r\n${lines.join('')}\r\n${body}`, () => socket.destroy())
}

/** Invariant 2: what was run is answered, and nothing after it. */
function closeAfter(latest: ServerResponse, socket: Socket): void {
  latest.shouldKeepAlive = false
  latest.once('finish', () => socket.destroySoon())
}

/** Node's own default handler reads the same field to learn whose turn it is. */
function currentAnswer(socket: Socket & { _httpMessage?: ServerResponse | null }): ServerResponse | null | undefined {
  return socket._httpMessage
}
