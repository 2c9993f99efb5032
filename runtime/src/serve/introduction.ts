/**
 * Identifies this instance if a request names one: the address may have belonged to another instance when
 * the sender learned it.
 *
 * Invariants: 1. A request for another instance runs nothing; it is answered with 421. 2. The name is sent ahead of all
 * that a handler writes, also of what it writes to the socket itself, in a response that no handler can change.
 * 3. Handlers do not see the request header, so that none passes it on.
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
  // An answer in this turn goes out in the same write.
  socket.cork()
  process.nextTick(uncork, socket)
  socket.write(`HTTP/1.1 102 Processing\r\n${HEADERS.instance}: ${instance}\r\n\r\n`, 'latin1')
  return true
}

function uncork(socket: Socket): void {
  socket.uncork()
}
