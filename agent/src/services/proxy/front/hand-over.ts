/**
 * Has a request of HTTP/2 answered by a server of HTTP/1.1, over a pair of streams in memory: for what is asked so
 * seldom, or is so different, that it is not worth a way of its own.
 *
 * Invariants: 1. What is written as HTTP/1.1 is written by Node's own client, which refuses what could end a line: a
 * request of HTTP/2 is exactly one of HTTP/1.1. 2. A stream that the client resets ends its request. 3. The client never
 * takes a part of an answer for the whole.
 */
import http, { type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { duplexPair } from 'node:stream'
import type { ClientRequest, ClientResponse } from '../http/client.ts'

export type Ends = {
  [Name in 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort']?: Socket[Name] | undefined
}

/** @param ends of the client's connection */
export function handOver(
  { server, ends }: { server: http.Server; ends: Ends },
  request: ClientRequest,
  response: ClientResponse,
): void {
  const [near, far] = duplexPair({ allowHalfOpen: true })
  const destroySoon = () => far.end(() => far.destroy())
  Object.assign(far, { ...ends, encrypted: true, destroySoon })
  // A pair does not tell one side that the other is gone.
  near.once('close', () => far.destroy())
  far.once('close', () => far.writableFinished || near.destroy())
  far.on('error', () => undefined)
  near.on('error', () => undefined)
  server.emit('connection', far)
  response.on('close', () => near.destroy())
  const fail = (): void => {
    response.destroy()
    near.destroy()
  }

  // What could not be written is refused by Node's client, which throws.
  let asked: http.ClientRequest
  try {
    asked = http.request({
      createConnection: () => near,
      ...{ method: request.method, path: request.url, setHost: false },
      headers: [...request.rawHeaders, 'connection', 'close'],
    })
  } catch {
    near.destroy()
    return void response.writeHead(400).end()
  }
  asked.on('error', fail)
  asked.on('continue', () => response.writeContinue())
  asked.on('upgrade', (_response, socket) => socket.destroy())
  asked.on('response', answer => passOn(answer, response, fail))
  asked.on('drain', () => request.resume())
  request.on('end', () => asked.end())
  request.on('data', piece => {
    if (!asked.write(piece)) request.pause()
  })
}

function passOn(answer: IncomingMessage, response: ClientResponse, fail: () => void): void {
  response.writeHead(answer.statusCode!, answer.rawHeaders)
  response.flushHeaders()
  response.on('drain', () => answer.resume())
  answer.on('data', (piece: Buffer) => {
    if (!response.write(piece)) answer.pause()
  })
  answer.once('end', () => response.end())
  answer.once('error', fail)
  // Also a shortened answer.
  answer.once('close', () => answer.complete || fail())
}
