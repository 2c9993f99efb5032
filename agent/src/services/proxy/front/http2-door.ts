/**
 * HTTP/2 for clients (RFC 9113): each request becomes one of HTTP/1.1 to the proxy's own server, over a pair of streams
 * in memory, so that everything which is said of requests there (framing, limits, access, retries) holds here as well.
 *
 * Invariants: 1. What nghttp2 let through is written as HTTP/1.1 by Node's own client, which refuses what could end a
 * line: a request of HTTP/2 is exactly one of HTTP/1.1. 2. A stream that the client resets ends its call. 3. A client
 * that floods (resets, settings, pings, empty frames) loses its connection; it costs no other. 4. A session that is
 * idle for `keepAliveTimeoutMs` is closed.
 */
import http, { type IncomingMessage } from 'node:http'
import http2, { constants, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { duplexPair, type Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'

const { NGHTTP2_NO_ERROR, NGHTTP2_FLAG_END_STREAM } = constants

export interface Http2Door {
  /** A connection whose client chose HTTP/2. */
  take(socket: TLSSocket): void
  /** Lets streams in progress finish; resolves when all sessions are closed. */
  close(): Promise<void>
}

/** Of HTTP/1.1 alone (RFC 9113 §8.2.2). */
const OF_ONE_CONNECTION = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]
const MAX_STREAMS = 128
const MAX_HEAD_BYTES = 16 * 1024
/** Streams that a client may reset in a burst, and then each second (CVE-2023-44487). */
const RESET_BURST = 200
const RESETS_PER_SECOND = 50

export function createHttp2Door(
  server: http.Server,
  { keepAliveTimeoutMs }: { keepAliveTimeoutMs: number },
): Http2Door {
  const sessions = new Set<ServerHttp2Session>()
  const door = http2.createServer({
    settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEAD_BYTES, enableConnectProtocol: false },
    maxSettings: 32,
    maxSessionMemory: 10,
    maxSessionInvalidFrames: 100,
    maxSessionRejectedStreams: 100,
    streamResetBurst: RESET_BURST,
    streamResetRate: RESETS_PER_SECOND,
    unknownProtocolTimeout: keepAliveTimeoutMs,
  } as http2.ServerOptions)
  /** Of connections that are being handed over; a session has lost its socket when that has ended. */
  let peer: Peer = {}
  door.on('session', session => {
    const from = peer
    sessions.add(session)
    session.setTimeout(keepAliveTimeoutMs, () => session.close())
    session.on('close', () => sessions.delete(session))
    session.on('error', () => session.destroy())
    session.on('stream', (stream, headers, flags) => {
      stream.on('error', () => undefined) // Its end is what counts.
      // The event comes later than the frame: the client may have reset it since.
      if (stream.destroyed || stream.closed) return
      new Translation(stream, { server, peer: from }).start(headers, (flags & NGHTTP2_FLAG_END_STREAM) !== 0)
    })
  })
  return {
    take: socket => {
      const { remoteAddress, remotePort, localAddress, localPort } = socket
      peer = { remoteAddress, remotePort, localAddress, localPort }
      door.emit('connection', socket)
    },
    close: async () => {
      const closed = [...sessions].map(session => new Promise(done => session.once('close', done)))
      for (const session of sessions) session.close()
      await Promise.all(closed)
    },
  }
}

type Peer = { [Name in 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort']?: TLSSocket[Name] | undefined }

/** One stream and its request of HTTP/1.1. */
class Translation {
  readonly #stream: ServerHttp2Stream
  readonly #near: Duplex

  constructor(stream: ServerHttp2Stream, { server, peer }: { server: http.Server; peer: Peer }) {
    this.#stream = stream
    const [near, far] = duplexPair({ allowHalfOpen: true })
    this.#near = near
    const destroySoon = () => far.end(() => far.destroy())
    Object.assign(far, { ...peer, encrypted: true, destroySoon })
    // A pair does not tell one side that the other is gone.
    near.once('close', () => far.destroy())
    far.once('close', () => far.writableFinished || near.destroy())
    far.on('error', () => undefined)
    near.on('error', () => undefined)
    server.emit('connection', far)
  }

  start(headers: IncomingHttpHeaders, isComplete: boolean): void {
    const { ':method': method = '', ':path': path = '', ':authority': authority } = headers
    // What could not be written is refused by Node's client, which throws.
    let request: http.ClientRequest
    try {
      if (method === 'CONNECT') throw new Error('a tunnel')
      request = http.request({
        createConnection: () => this.#near,
        method,
        path,
        setHost: false,
        headers: linesOf(headers, { authority, isComplete }),
      })
    } catch {
      this.#near.destroy()
      return this.#refuse()
    }
    const stream = this.#stream
    stream.once('close', () => this.#near.destroy())
    request.on('error', () => this.#fail())
    request.on('continue', () => this.#inform({ ':status': 100 }))
    request.on('information', ({ statusCode, headers: hints }) => {
      if (statusCode === 103) this.#inform({ ':status': 103, ...withoutConnection(hints) })
    })
    request.on('upgrade', (_response, socket) => socket.destroy())
    request.on('response', response => this.#answer(response))
    if (isComplete) request.end()
    else stream.pipe(request)
  }

  #answer(response: IncomingMessage): void {
    const stream = this.#stream
    if (this.#isOver) return void response.destroy()
    try {
      stream.respond({ ':status': response.statusCode!, ...distinct(response) })
    } catch {
      // A header that HTTP/2 cannot carry.
      return this.#fail()
    }
    response.once('error', () => this.#fail())
    // Also a shortened answer: the client sees a reset, never an end.
    response.once('close', () => response.complete || this.#fail())
    response.pipe(stream)
    // An answer that came before the request was read to its end: the rest is not wanted (RFC 9113 §8.1).
    stream.once('finish', () => stream.readableEnded || stream.close(NGHTTP2_NO_ERROR))
  }

  get #isOver(): boolean {
    return this.#stream.closed || this.#stream.destroyed
  }

  #inform(headers: http2.OutgoingHttpHeaders): void {
    try {
      if (!this.#isOver && !this.#stream.headersSent) this.#stream.additionalHeaders(headers)
    } catch {
      // Losing a hint that HTTP/2 cannot carry is no reason to fail the call.
    }
  }

  #refuse(): void {
    this.#stream.respond({ ':status': 400 }, { endStream: true })
    this.#stream.close(NGHTTP2_NO_ERROR)
  }

  /** `close` would first send what looks like the end of a whole answer. */
  #fail(): void {
    if (!this.#stream.destroyed) this.#stream.destroy(new Error('the answer was cut off'))
    this.#near.destroy()
  }
}

function linesOf(
  headers: IncomingHttpHeaders,
  { authority, isComplete }: { authority: string | undefined; isComplete: boolean },
): string[] {
  const lines = ['host', authority ?? headers.host ?? '', 'connection', 'close']
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(':') || name === 'host' || name === 'te' || OF_ONE_CONNECTION.includes(name)) continue
    if (Array.isArray(value)) for (const each of value) lines.push(name, each)
    else if (value !== undefined) lines.push(name, value)
  }
  if (!isComplete && headers['content-length'] === undefined) lines.push('transfer-encoding', 'chunked')
  return lines
}

function distinct(response: IncomingMessage): Record<string, string | string[]> {
  return withoutConnection(
    Object.fromEntries(
      Object.entries(response.headersDistinct).map(([name, values = []]) => [
        name,
        values.length === 1 ? values[0]! : values,
      ]),
    ),
  )
}

function withoutConnection<Value>(headers: Record<string, Value>): Record<string, Value> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_ONE_CONNECTION.includes(name)))
}
