/**
 * Answers what never became a request: broken syntax, oversized headers, a head that does not end.
 *
 * Invariants: 1. the connection is closed. 2. if an answer is already on its way on it, nothing is written into it.
 */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { platformError } from '@ryo-faas/runtime/protocol'

const CASES: Record<string, { status: string; message: string }> = {
  HPE_HEADER_OVERFLOW: { status: '431 Request Header Fields Too Large', message: 'the header block is too large' },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: '413 Payload Too Large', message: 'chunk extensions are too large' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: '408 Request Timeout', message: 'the request head did not arrive in time' },
}
const MALFORMED = { status: '400 Bad Request', message: 'malformed request' }

export function answerMalformed(error: NodeJS.ErrnoException, socket: Socket, requestId: string): void {
  // Node's own default handler reads the same field to learn whether an answer has begun.
  const current = (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage
  if (!socket.writable || error.code === 'ECONNRESET' || current?.headersSent === true) {
    socket.destroy()
    return
  }
  const { status, message } = CASES[error.code ?? ''] ?? MALFORMED
  const { headers, body } = platformError('BAD_REQUEST', message, requestId)
  const lines = Object.entries({ ...headers, connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status}\r\n${lines.join('')}\r\n${body}`, () => socket.destroy())
}
