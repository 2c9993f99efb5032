/**
 * Answers what never became a request, in the shape of all errors. Invariants: 1. the connection is closed. 2. nothing is
 * written into an answer that has begun.
 */
import { STATUS_CODES, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { StoreError, type StoreErrorCode } from '../store-error.ts'

const CASES: Record<string, [StoreErrorCode, string]> = {
  HPE_HEADER_OVERFLOW: ['HEADERS_TOO_LARGE', 'the headers are larger than the store takes'],
  ERR_HTTP_REQUEST_TIMEOUT: ['REQUEST_TIMEOUT', 'the request did not arrive in time'],
}
const MALFORMED: [StoreErrorCode, string] = ['INVALID_REQUEST', 'this is not an HTTP request']

export function answerMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET' || hasBegun(socket)) return void socket.destroy()
  const problem = new StoreError(...(CASES[error.code ?? ''] ?? MALFORMED))
  const body = JSON.stringify(problem.toBody())
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}

/** Node's own handler reads the same field to learn which answer it is the turn of. */
function hasBegun(socket: Socket & { _httpMessage?: ServerResponse | null }): boolean {
  return socket._httpMessage?.headersSent === true
}
