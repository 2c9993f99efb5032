/**
 * Answers what never became a request, such as a head that is too long, in the shape that the listener gives its errors.
 * Invariants: 1. the connection is closed. 2. nothing is written into an answer that has begun.
 */
import { STATUS_CODES, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export type MalformedStatus = 400 | 408 | 431

const CASES: Record<string, [MalformedStatus, string]> = {
  HPE_HEADER_OVERFLOW: [431, 'the headers are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request did not arrive in time'],
}
const MALFORMED: [MalformedStatus, string] = [400, 'this is not an HTTP request']

/**
 * @param bodyOf what the listener answers with this message
 * @returns a listener of `clientError`
 */
export function answerMalformed(bodyOf: (message: string, status: MalformedStatus) => object) {
  return (error: NodeJS.ErrnoException, socket: Socket): void => {
    if (!socket.writable || error.code === 'ECONNRESET' || hasBegun(socket)) return void socket.destroy()
    const [status, message] = CASES[error.code ?? ''] ?? MALFORMED
    const body = JSON.stringify(bodyOf(message, status))
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
    ]
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
  }
}

/** Node's own handler reads the same field to learn which answer it is the turn of. */
function hasBegun(socket: Socket & { _httpMessage?: ServerResponse | null }): boolean {
  return socket._httpMessage?.headersSent === true
}
