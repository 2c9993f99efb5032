/** Answers that the runtime gives in place of the handler. */
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import { HEADERS, platformError, type PlatformErrorCode } from '../protocol/index.ts'

/** How long a client that still sends may go on, so that it gets to read an answer that closes the connection. */
const LINGER_MS = 1_000

export interface PlatformAnswer {
  readonly code: PlatformErrorCode
  readonly message: string
  readonly requestId: string
  /** Id of this instance. */
  readonly instance: string
  readonly headers?: Record<string, string>
  /** Closes the connection afterwards: its request has not been read to the end, or the instance is going away. */
  readonly close?: boolean
}

/** Sends a platform error; nothing of the response may have been sent. */
export function answerPlatformError(request: IncomingMessage, response: ServerResponse, answer: PlatformAnswer): void {
  const { status, headers, body } = platformError(answer.code, answer.message, answer.requestId)
  // What the handler had prepared for its own answer (content-encoding, length, cookies) does not describe this one.
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  const closing = answer.close ? { connection: 'close' } : {}
  const from = { [HEADERS.errorFrom]: answer.instance }
  response.writeHead(status, STATUS_CODES[status], { ...headers, ...from, ...answer.headers, ...closing })
  if (answer.close && !request.complete) lingeringEnd(request, response, body)
  else response.end(body)
}

export function answerJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' })
  response.end(JSON.stringify(value) + '\n')
}

/**
 * Closing a socket with unread input resets it, and the reset can overtake the answer. So the answer goes out whole,
 * the input is thrown away, and the connection closes when the request has ended or the time is up.
 */
function lingeringEnd(request: IncomingMessage, response: ServerResponse, body: string): void {
  if (!response.writableEnded) response.write(body)
  const end = (): void => {
    clearTimeout(timer)
    response.end()
  }
  const timer = setTimeout(end, LINGER_MS)
  request.once('end', end).once('close', end).resume()
}
