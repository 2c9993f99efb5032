/**
 * Splits what an instance sends into responses: one final response per request, after any number of 1xx.
 *
 * Invariants: 1. the events of one response come in order: `onInformational`*, then either `onWhole` alone, or
 * `onHead`, `onData`*, `onEnd`; or `onUpgrade` alone. 2. a piece given to `onData` is only valid during the call.
 * 3. after an error or an upgrade the parser takes nothing more.
 */
import { ChunkedDecoder } from './chunked-decoder.ts'
import { parseResponseHead, type ResponseHead } from './response-head.ts'
import { UpstreamError } from './upstream-error.ts'

/** Largest header block taken from an instance, in bytes. */
const HEAD_LIMIT = 32 * 1024
const INFORMATIONAL_LIMIT = 32

export interface ParserEvents {
  onInformational(head: ResponseHead): void
  /** A response that was there at once, body included (one character per byte): the fast path. */
  onWhole(head: ResponseHead, body: string): void
  onHead(head: ResponseHead): void
  onData(piece: Buffer): void
  onEnd(): void
  /** The instance switched protocols; `rest` is what it already sent in the new one. */
  onUpgrade(head: ResponseHead, rest: Buffer): void
}

type State = 'idle' | 'head' | 'fixed' | 'chunked' | 'until-close' | 'upgraded'

export class ResponseParser {
  private readonly events: ParserEvents
  private state: State = 'idle'
  private isHeadRequest = false
  private isUpgradeRequest = false
  /** Start of a head whose end has not arrived. */
  private pending: Buffer | undefined
  private remaining = 0
  private informational = 0
  private decoder: ChunkedDecoder | undefined
  /** Bytes of a final response have arrived since `expect`. */
  hasBegun = false

  constructor(events: ParserEvents) {
    this.events = events
  }

  get isTunnel(): boolean {
    return this.state === 'upgraded'
  }

  /** A request was sent; its response comes next. */
  expect(request: { method: string; isUpgrade: boolean }): void {
    this.state = 'head'
    this.isHeadRequest = request.method === 'HEAD'
    this.isUpgradeRequest = request.isUpgrade
    this.hasBegun = false
    this.informational = 0
  }

  /**
   * Takes the first `length` bytes of `buffer`.
   * @throws UpstreamError `protocol`
   */
  write(buffer: Buffer, length: number): void {
    let at = 0
    while (at < length) {
      switch (this.state) {
        case 'idle':
          throw new UpstreamError('protocol', 'bytes that belong to no response')
        case 'head':
          this.hasBegun = true
          at = this.readHead(buffer, at, length)
          break
        case 'fixed': {
          const end = Math.min(length, at + this.remaining)
          this.remaining -= end - at
          this.events.onData(buffer.subarray(at, end))
          at = end
          if (this.remaining === 0) this.finish()
          break
        }
        case 'chunked': {
          const decoder = this.decoder!
          at = decoder.decode(buffer, { from: at, to: length }, piece => this.events.onData(piece))
          if (decoder.isDone) this.finish()
          break
        }
        case 'until-close':
          this.events.onData(buffer.subarray(at, length))
          at = length
          break
        case 'upgraded':
          return
      }
    }
  }

  /**
   * The other side closed its half.
   * @throws UpstreamError `truncated` or `closed` if a response was still owed.
   */
  end(): void {
    if (this.state === 'until-close') this.finish()
    else if (this.state !== 'idle' && this.state !== 'upgraded') throw this.brokenOff()
  }

  /** The error that says what a lost connection means at this point of a response. */
  brokenOff(cause?: unknown): UpstreamError {
    return this.hasBegun
      ? new UpstreamError('truncated', 'the instance broke off its answer', cause)
      : new UpstreamError('closed', 'the instance closed the connection without an answer', cause)
  }

  private finish(): void {
    this.state = 'idle'
    this.decoder = undefined
    this.events.onEnd()
  }

  /** @returns where the head ended, or `length` if more of it is needed. */
  private readHead(buffer: Buffer, from: number, length: number): number {
    const known = this.pending?.length ?? 0
    const source = this.pending === undefined ? buffer : Buffer.concat([this.pending, buffer.subarray(from, length)])
    const start = this.pending === undefined ? from : 0
    const stop = this.pending === undefined ? length : source.length
    const text = source.toString('latin1', start, Math.min(stop, start + HEAD_LIMIT))
    const blank = text.indexOf('\r\n\r\n')
    if (blank < 0) {
      if (stop - start >= HEAD_LIMIT)
        throw new UpstreamError('protocol', `its headers are larger than ${HEAD_LIMIT / 1024} KiB`)
      this.pending = Buffer.from(source.subarray(start, stop))
      return length
    }
    this.pending = undefined
    const headLength = blank + 4
    const head = parseResponseHead(text.slice(0, headLength))
    const bodyStart = from + headLength - known
    if (head.status < 200) return this.takeInformational(head, buffer.subarray(bodyStart, length), bodyStart)

    if (this.isHeadRequest || head.status === 204 || head.status === 304) {
      this.state = 'idle'
      this.events.onWhole(head, '')
      return bodyStart
    }
    if (head.contentLength >= 0 && head.contentLength <= text.length - headLength) {
      this.state = 'idle'
      this.events.onWhole(head, text.slice(headLength, headLength + head.contentLength))
      return bodyStart + head.contentLength
    }
    if (head.contentLength > 0) {
      this.remaining = head.contentLength
      this.state = 'fixed'
    } else if (head.chunked) {
      this.decoder = new ChunkedDecoder()
      this.state = 'chunked'
    } else {
      this.state = 'until-close'
    }
    this.events.onHead(head)
    return bodyStart
  }

  private takeInformational(head: ResponseHead, rest: Buffer, bodyStart: number): number {
    if (head.status === 101) {
      if (!this.isUpgradeRequest || head.upgrade === undefined) throw new UpstreamError('protocol', 'unasked upgrade')
      this.state = 'upgraded'
      this.events.onUpgrade(head, Buffer.from(rest))
      return bodyStart + rest.length
    }
    if (head.contentLength >= 0 || head.chunked) throw new UpstreamError('protocol', 'a 1xx answer with a body')
    if (!head.keepAlive) throw new UpstreamError('protocol', 'a 1xx answer that closes the connection')
    if (++this.informational > INFORMATIONAL_LIMIT) {
      throw new UpstreamError('protocol', `more than ${INFORMATIONAL_LIMIT} interim (1xx) answers came before it`)
    }
    this.events.onInformational(head)
    this.hasBegun = false
    return bodyStart
  }
}
