/** Responses of the runtime instead of the handler. */
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import { HEADERS, platformError, type PlatformErrorCode } from '../protocol/index.ts'

/** How long a client may keep sending, so that it gets to read a response that closes the connection. */
const LINGER_MS = 1_000

export interface PlatformAnswer {
  readonly code: PlatformErrorCode
  readonly message: string
  readonly requestId: string
  /** Id of this instance. */
  readonly instance: string
  readonly headers?: Record<string, string>
  /** Closes the connection afterwards: its request was not read to the end, or the instance is stopping. */
  readonly close?: boolean
}

/** Sends a platform error; nothing of the response may have been sent. */
export function answerPlatformError(request: IncomingMessage, response: ServerResponse, answer: PlatformAnswer): void {
  const { status, headers, body } = platformError(answer.code, answer.message, answer.requestId)
  // Headers that the handler set (content-encoding, length, cookies) do not describe this response.
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
 * Closing a socket with unread input resets it, and the reset can overtake the answer. So the whole answer is sent,
 * the input is discarded, and the connection closes when the request has ended or the time is up.
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
