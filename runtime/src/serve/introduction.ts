/**
 * Says who answers here, if a request asks for somebody by name: its address may have belonged to another instance when
 * the sender learned of it.
 *
 * Invariants: 1. a request for another instance runs nothing; it is answered with 421. 2. the name goes out ahead of all
 * that a handler writes, also of what it writes to the socket itself, in an answer that no handler can change.
 * 3. handlers do not see the header that asked, so that none passes it on.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { HEADERS } from '../protocol/index.ts'
import { hideHeaders } from './hide-headers.ts'
import { answerJson } from './platform-answer.ts'

const MISDIRECTED_REQUEST = 421

/** @returns whether the request may go on; if not, it has been answered. */
export function introduce(request: IncomingMessage, response: ServerResponse, instance: string): boolean {
  const wanted = request.headers[HEADERS.instance]
  if (wanted === undefined) return true
  hideHeaders(request, [HEADERS.instance])
  if (wanted !== instance) {
    response.setHeader(HEADERS.instance, instance)
    answerJson(response, MISDIRECTED_REQUEST, { message: `This is not the instance ${String(wanted)}.` })
    request.resume()
    return false
  }
  const { socket } = request
  // An answer that comes in this turn leaves in the same write.
  socket.cork()
  process.nextTick(uncork, socket)
  socket.write(`HTTP/1.1 102 Processing\r\n${HEADERS.instance}: ${instance}\r\n\r\n`, 'latin1')
  return true
}

function uncork(socket: Socket): void {
  socket.uncork()
}
