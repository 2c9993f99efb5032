/**
 * Requests to one listener of the platform, as its operator.
 *
 * Invariants:
 * 1. The token goes only to a listener that proved itself on that very connection: as `prove-listener.ts` asks it to, or
 *    with the certificate of its name where the address begins with `https:`.
 * 2. A listener that hangs is detected within `patienceMs`. Ordinary responses may not be silent for longer; a stream
 *    sends a heartbeat every 15 seconds; during long work the listener is asked for a new proof repeatedly.
 * 3. Redirects are returned (they come from functions) and not followed.
 *
 * Written by hand over `node:http`, because `fetch` shows neither its connections nor when they are made.
 */
import http from 'node:http'
import { connect, isIP, type Socket } from 'node:net'
import { Readable, type Duplex } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { connect as connectTls, rootCertificates } from 'node:tls'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { RyoFaasError } from '../contract/index.ts'
import { ForeignListenerError, proveListener, SilentListenerError, UnknownTokenError } from './prove-listener.ts'

/** `prompt`: responds at once; `long`: when the work is done; `stream`: at once, then keeps sending. */
export type Pace = 'prompt' | 'long' | 'stream'

/** Address of a listener of the platform, and the token for it. */
export interface Door {
  /** `http://host:port` or `https://host`, and the path of what is relayed. */
  url: string
  /** The operator's token, or one that the agent gave to somebody. */
  token: string
  /** Where a tunnel to `url` begins. */
  socketPath?: string
  /** Certificates of further authorities for `https:`, as PEM. */
  ca?: string
  /** For messages, in place of an address that says nothing: `on the server "shop"`. */
  place?: string
}

export interface Listener extends Door {
  /** For messages, such as `the agent`. */
  name: string
  /** Makes the error for a listener that is absent, hangs, or is not ours. */
  unreachable: (message: string, cause: unknown) => RyoFaasError
  patienceMs?: number
}

export interface ListenerRequest {
  headers?: Record<string, string>
  body?: string | Readable
  signal?: AbortSignal | undefined
  pace?: Pace
  /** Default: `authorization`. */
  tokenIn?: 'authorization' | 'proxy-authorization'
}

const PATIENCE_MS = 5_000
/** Three heartbeats of a stream. */
const STREAM_SILENCE_MS = 45_000

const DECODERS: Record<string, () => Duplex> = {
  gzip: createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
}
/** Statuses without a body, whatever the head says. */
const BODILESS = new Set([204, 205, 304])

export class ListenerClient {
  readonly #listener: Listener
  readonly #patienceMs: number
  readonly #connections: ProvenConnections

  constructor(listener: Listener) {
    this.#listener = listener
    this.#patienceMs = listener.patienceMs ?? PATIENCE_MS
    this.#connections = new ProvenConnections(listener, this.#patienceMs)
  }

  /**
   * Returns the response, whatever its status.
   * @throws RyoFaasError CANCELLED, or what `unreachable` made
   */
  async send(method: string, path: string, request: ListenerRequest = {}): Promise<Response> {
    const { pace = 'prompt', signal } = request
    const hung = new AbortController()
    const watch = pace === 'long' ? this.#watchOver(hung) : undefined
    try {
      const message = await this.#exchange(method, path, { ...request, hung: hung.signal })
      if (pace === 'stream') message.socket.setTimeout(STREAM_SILENCE_MS)
      return toResponse(method, message)
    } catch (error) {
      if (signal?.aborted) throw new RyoFaasError('CANCELLED', 'cancelled', { cause: error })
      throw this.#translate(hung.signal.aborted ? hung.signal.reason : error)
    } finally {
      watch?.()
    }
  }

  #exchange(
    method: string,
    path: string,
    asked: ListenerRequest & { hung: AbortSignal },
  ): Promise<http.IncomingMessage> {
    const { headers, body, signal, pace, hung, tokenIn = 'authorization' } = asked
    return new Promise((resolve, reject) => {
      // The connection is encrypted or not, as the listener's address says; its agent sees to that.
      const url = new URL(this.#listener.url + path)
      const { host } = url
      url.protocol = 'http:'
      const request = http.request(url, {
        method,
        agent: this.#connections,
        headers: {
          host,
          ...headers,
          [tokenIn]: `Bearer ${this.#listener.token}`,
          ...(typeof body === 'string' && { 'content-length': Buffer.byteLength(body) }),
        },
        signal: signal === undefined ? hung : AbortSignal.any([signal, hung]),
      })
      if (pace !== 'long') {
        request.setTimeout(this.#patienceMs, () => request.destroy(new SilentListenerError()))
      }
      request.on('response', resolve).on('error', error => {
        // The listener closed an idle connection at the moment we took it.
        const isStale = request.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET'
        if (isStale && method === 'GET') this.#exchange(method, path, asked).then(resolve, reject)
        else reject(error)
      })
      if (body instanceof Readable) body.on('error', error => request.destroy(error)).pipe(request)
      else request.end(body)
    })
  }

  /** Aborts `hung` when the listener no longer proves itself. @returns a function that stops watching */
  #watchOver(hung: AbortController): () => void {
    let isOver = false
    const look = async () => {
      await this.#connections.connect().then(
        socket => socket.destroy(),
        (error: unknown) => hung.abort(error),
      )
      if (!hung.signal.aborted && !isOver) timer = setTimeout(() => void look(), this.#patienceMs)
    }
    let timer = setTimeout(() => void look(), this.#patienceMs)
    return () => {
      isOver = true
      clearTimeout(timer)
    }
  }

  #translate(error: unknown): RyoFaasError {
    const { name, url, unreachable, place = `at ${url}` } = this.#listener
    if (error instanceof UnknownTokenError) return unknownToken(place, error)
    return error instanceof ForeignListenerError
      ? unreachable(`another program is listening on ${url}, where ${name} should be`, error)
      : unreachable(`${name} ${place} is not responding`, error)
  }
}

/** Whether a request failed because the listener accepted it and did nothing. */
export function isHangingListener(error: unknown): boolean {
  return error instanceof RyoFaasError && error.cause instanceof SilentListenerError
}

function unknownToken(place: string, cause: Error): RyoFaasError {
  return new RyoFaasError('UNAUTHORIZED', `the token is not known ${place}: it was revoked, or is of another server`, {
    hint: 'Ask for a new one, made there with: ryo-faas token create NAME',
    cause,
  })
}

class ProvenConnections extends http.Agent {
  readonly #door: Door
  readonly #patienceMs: number

  constructor(door: Door, patienceMs: number) {
    super({ keepAlive: true })
    this.#door = door
    this.#patienceMs = patienceMs
  }

  override createConnection(
    _options: http.ClientRequestArgs,
    made: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    this.connect().then(
      socket => made(null, socket),
      (error: Error) => made(error, undefined as never), // As Node's own agent does; its types do not allow for a failure.
    )
  }

  async connect(): Promise<Socket> {
    const { url, token, socketPath, ca } = this.#door
    const { protocol, hostname, port } = new URL(url)
    const host = hostname.replace(/^\[|\]$/g, '')
    if (protocol === 'https:') return connectSecurely({ host, port: Number(port || 443), ca }, this.#patienceMs)
    const address = socketPath === undefined ? { host, port: Number(port), noDelay: true } : { path: socketPath }
    const socket = connect(address)
    try {
      await proveListener(socket, { token, port: Number(port), patienceMs: this.#patienceMs })
      return socket
    } catch (error) {
      socket.destroy()
      throw error
    }
  }
}

/** @throws what is wrong with the certificate; SilentListenerError */
function connectSecurely(
  { host, port, ca }: { host: string; port: number; ca: string | undefined },
  patienceMs: number,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      ...{ host, port, ALPNProtocols: ['http/1.1'] },
      ...(isIP(host) === 0 && { servername: host }),
      ...(ca !== undefined && { ca: [...rootCertificates, ca] }),
    })
    const fail = (error: Error) => {
      socket.destroy()
      reject(error)
    }
    socket.setTimeout(patienceMs, () => fail(new SilentListenerError()))
    socket.once('error', fail).once('secureConnect', () => {
      socket.setTimeout(0).off('error', fail).removeAllListeners('timeout')
      resolve(socket)
    })
  })
}

function toResponse(method: string, message: http.IncomingMessage): Response {
  const headers = new Headers()
  for (const [name, values] of Object.entries(message.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value)
  }
  const status = message.statusCode!
  const init = { status, statusText: message.statusMessage ?? '', headers }
  if (method === 'HEAD' || BODILESS.has(status)) {
    message.resume()
    return new Response(null, init)
  }
  const decoder = DECODERS[headers.get('content-encoding') ?? '']?.()
  if (decoder === undefined) return new Response(Readable.toWeb(message) as ReadableStream<Uint8Array>, init)
  message.on('error', error => decoder.destroy(error)).pipe(decoder)
  return new Response(Readable.toWeb(decoder) as ReadableStream<Uint8Array>, init)
}
