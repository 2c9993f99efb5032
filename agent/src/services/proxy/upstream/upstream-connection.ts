/**
 * One HTTP/1.1 connection to an instance, one request at a time.
 *
 * Invariants: 1. No byte of a request is written before the connection is established, so a `connect` failure always
 * means that nothing was sent. 2. Every request ends with exactly one of `onWhole`, `onEnd`, `onFailed`, or becomes a
 * tunnel. 3. A connection goes back to its instance only if the whole request was sent, the whole answer read and not a
 * byte beyond it, and neither side asked to close. 4. Bytes or an end on an idle connection destroy it, and bytes
 * beyond an answer are recorded for its instance. 5. Nothing received counts before the other side has identified
 * itself as the requested instance, except for instances known never to do so. Once per connection is enough.
 *
 * What no invariant can hold: bytes beyond an answer that come so late that the connection carries the next request are
 * taken for its answer. They reach callers of the same function only, and only if no earlier ones were noticed. The
 * runtime lets no response exceed its length, so it takes code that writes to the socket itself.
 */
import net from 'node:net'
import { HEADERS } from '@ryo-faas/runtime/protocol'
import { valuesOf, type ResponseHead } from './response-head.ts'
import { ResponseParser, type ParserEvents } from './response-parser.ts'
import { UpstreamError } from './upstream-error.ts'

/** What a request hears of its connection. Pieces of data are only valid during the call. */
export interface ResponseSink {
  onConnected(): void
  onInformational(head: ResponseHead): void
  onWhole(head: ResponseHead, body: string): void
  onHead(head: ResponseHead): void
  onData(piece: Buffer): void
  onEnd(): void
  onUpgrade(head: ResponseHead, rest: Buffer): void
  /** The write buffer has drained; more may follow. */
  onDrain(): void
  onFailed(error: UpstreamError): void
}

export interface ConnectionOptions {
  host: string
  port: number
  /** The id with which the instance must identify itself; undefined if it never does. */
  instance: string | undefined
  /** What is shown with the first request; undefined: nothing. */
  key?: string | undefined
  connectTimeoutMs: number
  /** One buffer for all connections of a process: a read is consumed before the next one happens. */
  readBuffer: Buffer
  /** Takes the connection back for reuse. */
  onIdle(connection: UpstreamConnection): void
  onClosed(connection: UpstreamConnection): void
  /** The instance sent more than its answer. */
  onSurplus(): void
}

export class UpstreamConnection implements ParserEvents {
  readonly socket: net.Socket
  private readonly options: ConnectionOptions
  private readonly parser: ResponseParser
  private sink: ResponseSink | undefined
  /** Invariant 5: the id still expected. */
  private awaited: string | undefined
  private connectTimer: NodeJS.Timeout | undefined
  private failure: unknown
  private requestSent = false
  private mayReuse = false
  private keepAlive = false
  isConnected = false
  /** It has carried a request before this one. */
  isReused = false
  /** Until when it may be reused while idle, in milliseconds of `performance.now()`. */
  usableUntil = 0
  /** How long the instance says it keeps an idle connection; 0 if it did not say. */
  keepAliveMs = 0

  constructor(options: ConnectionOptions) {
    this.options = options
    this.awaited = options.instance
    this.parser = new ResponseParser(this)
    this.socket = net.connect({
      host: options.host,
      port: options.port,
      noDelay: true,
      allowHalfOpen: true,
      onread: { buffer: options.readBuffer, callback: (length, buffer) => this.read(length, buffer as Buffer) },
    })
    this.connectTimer = setTimeout(
      () => this.socket.destroy(new Error(`no connection within ${options.connectTimeoutMs} ms`)),
      options.connectTimeoutMs,
    )
    this.socket.on('connect', () => this.connected())
    this.socket.on('drain', () => this.sink?.onDrain())
    this.socket.on('end', () => this.ended())
    this.socket.on('error', error => (this.failure = error))
    this.socket.on('close', () => this.closed())
  }

  /** Takes the connection for one request; `onConnected` follows if it is not established yet. */
  open(sink: ResponseSink): void {
    this.sink = sink
  }

  /**
   * Writes the head of a request, and with it a body that is already there.
   * @param lines the head without the empty line at its end.
   */
  send(
    lines: string,
    request: { method: string; isUpgrade: boolean; body?: Buffer | undefined; isComplete: boolean },
  ): void {
    const introduction = this.awaited === undefined ? '' : this.introduction(this.awaited)
    const head = `${lines}${introduction}\r\n`
    this.parser.expect(request)
    this.requestSent = request.isComplete
    if (request.body === undefined) {
      this.socket.write(head, 'latin1')
    } else if (request.body.length <= 16 * 1024) {
      this.socket.write(head + request.body.toString('latin1'), 'latin1')
    } else {
      this.socket.cork()
      this.socket.write(head, 'latin1')
      this.socket.write(request.body)
      this.socket.uncork()
    }
  }

  /** @returns false if the caller should wait for `onDrain`. */
  write(piece: Buffer): boolean {
    return this.socket.write(piece)
  }

  /** The last byte of the request was written. */
  finishRequest(): void {
    this.requestSent = true
  }

  pause(): void {
    this.socket.pause()
  }

  resume(): void {
    this.socket.resume()
  }

  /** Gives the request up; its sink hears nothing more. */
  destroy(): void {
    this.sink = undefined
    this.socket.destroy()
  }

  private connected(): void {
    clearTimeout(this.connectTimer)
    this.isConnected = true
    if (this.sink === undefined) this.socket.destroy()
    else this.sink.onConnected()
  }

  private read(length: number, buffer: Buffer): boolean {
    if (this.parser.isTunnel) {
      this.sink?.onData(buffer.subarray(0, length))
      return true
    }
    try {
      this.parser.write(buffer, length)
    } catch (error) {
      if (this.sink === undefined) this.options.onSurplus()
      this.fail(error)
      return true
    }
    if (this.mayReuse) this.goIdle()
    return true
  }

  private ended(): void {
    if (this.parser.isTunnel) {
      this.sink?.onEnd()
      return
    }
    try {
      this.parser.end()
    } catch (error) {
      this.fail(error)
    }
    this.socket.destroy()
  }

  private closed(): void {
    clearTimeout(this.connectTimer)
    this.options.onClosed(this)
    if (this.sink === undefined) return
    const reason = this.failure instanceof Error ? this.failure.message : 'closed'
    this.fail(
      this.isConnected
        ? this.parser.brokenOff(this.failure)
        : new UpstreamError('connect', `no connection: ${reason}`, this.failure),
    )
  }

  private fail(error: unknown): void {
    const sink = this.sink
    this.destroy()
    sink?.onFailed(error instanceof UpstreamError ? error : new UpstreamError('protocol', String(error), error))
  }

  /** Ends the request before its sink hears of it, so that the sink may start the next one at once. */
  private detach(keepAlive: boolean): ResponseSink | undefined {
    const sink = this.sink
    this.sink = undefined
    if (keepAlive && this.requestSent) this.mayReuse = true
    else this.socket.destroy()
    return sink
  }

  private goIdle(): void {
    this.mayReuse = false
    this.isReused = true
    // The last piece may have met a slow client.
    if (this.socket.isPaused()) this.socket.resume()
    this.options.onIdle(this)
  }

  onInformational(head: ResponseHead): void {
    if (this.awaited === undefined) this.sink?.onInformational(head)
    else if (valuesOf(head.headers, HEADERS.instance).includes(this.awaited)) this.awaited = undefined
  }

  private introduction(awaited: string): string {
    const { key } = this.options
    const asked = `${HEADERS.instance}: ${awaited}\r\n`
    return key === undefined ? asked : `${asked}${HEADERS.instanceKey}: ${key}\r\n`
  }

  /** Invariant 5. */
  private requireIntroduction({ status, headers }: ResponseHead): void {
    if (this.awaited === undefined) return
    const [other] = valuesOf(headers, HEADERS.instance)
    throw status === 421 && other !== undefined
      ? new UpstreamError('misdirected', `${other} answers at the address of ${this.awaited}`)
      : new UpstreamError('stranger', `the server did not identify itself as ${this.awaited}`)
  }

  onWhole(head: ResponseHead, body: string): void {
    this.requireIntroduction(head)
    this.keepAliveMs = head.keepAliveMs
    this.detach(head.keepAlive)?.onWhole(head, body)
  }

  onHead(head: ResponseHead): void {
    this.requireIntroduction(head)
    this.keepAlive = head.keepAlive
    this.keepAliveMs = head.keepAliveMs
    this.sink?.onHead(head)
  }

  onData(piece: Buffer): void {
    this.sink?.onData(piece)
  }

  onEnd(): void {
    this.detach(this.keepAlive)?.onEnd()
  }

  onUpgrade(head: ResponseHead, rest: Buffer): void {
    this.requireIntroduction(head)
    this.sink?.onUpgrade(head, rest)
  }
}
