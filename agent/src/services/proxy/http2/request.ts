/**
 * A request of HTTP/2 as the hop sees it.
 *
 * Invariants: 1. While nobody reads, the client may send what fits into the window of its stream, and no more. 2. `end`
 * comes once, after the last of the body; never if the stream was reset before.
 */
import { EventEmitter } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import type { ClientRequest, ClientResponse } from '../http/client.ts'
import type { RequestFields } from './request-fields.ts'
import type { Http2Stream } from './stream.ts'

/** Small pieces that nobody reads yet are put together: each may hold on to all that was read along with it. */
const MOST_PIECES = 16

export class Http2Request extends EventEmitter implements ClientRequest {
  readonly socket: Http2Stream
  readonly httpVersionMajor = 1
  readonly httpVersionMinor = 1
  readonly rawHeaders: readonly string[]
  readonly #fields: RequestFields
  #waiting: Buffer[] = []
  #isFlowing = false
  #isScheduled = false
  #hasEnded = false
  complete: boolean
  destroyed = false

  constructor(stream: Http2Stream, fields: RequestFields, isComplete: boolean) {
    super()
    this.socket = stream
    this.#fields = fields
    this.complete = isComplete
    const isFramed = isComplete || fields.contentLength !== undefined
    this.rawHeaders = isFramed ? fields.lines : [...fields.lines, 'transfer-encoding', 'chunked']
  }

  get method(): string {
    return this.#fields.method
  }

  get url(): string {
    return this.#fields.path
  }

  get headers(): IncomingHttpHeaders {
    return this.#fields.headers
  }

  handOver(response: ClientResponse): void {
    this.socket.handOver(this, response)
  }

  override on(event: string, listener: Parameters<EventEmitter['on']>[1]): this {
    super.on(event, listener)
    if (event === 'data') this.resume()
    return this
  }

  /** All that has arrived and was not read. */
  read(): Buffer | null {
    const pieces = this.#waiting
    if (pieces.length === 0) return null
    this.#waiting = []
    const whole = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
    this.socket.consumed(whole.length)
    return whole
  }

  pause(): void {
    this.#isFlowing = false
  }

  resume(): void {
    this.#isFlowing = true
    if (this.#isScheduled) return
    this.#isScheduled = true
    process.nextTick(flow, this)
  }

  /** @internal What arrived; `isLast`: there is no more. */
  take(piece: Buffer, isLast: boolean): void {
    if (isLast) this.complete = true
    if (this.#isFlowing && this.#waiting.length === 0) {
      if (piece.length > 0) this.#give(piece)
      if (isLast) this.#end()
      return
    }
    if (piece.length === 0) return
    this.#waiting.push(piece)
    if (this.#waiting.length > MOST_PIECES) this.#waiting = [Buffer.concat(this.#waiting)]
  }

  /** @internal Gives what has waited. */
  flow(): void {
    this.#isScheduled = false
    while (this.#isFlowing && this.#waiting.length > 0) this.#give(this.#waiting.shift()!)
    if (this.#isFlowing && this.complete) this.#end()
  }

  /** @internal The stream is gone. */
  close(): void {
    this.destroyed = true
    this.#waiting = []
    this.emit('close')
  }

  #give(piece: Buffer): void {
    this.emit('data', piece)
    this.socket.consumed(piece.length)
  }

  #end(): void {
    if (this.#hasEnded || this.destroyed) return
    this.#hasEnded = true
    this.emit('end')
  }
}

function flow(request: Http2Request): void {
  request.flow()
}
