/**
 * The answer to a request of HTTP/2, written as one of HTTP/1.1 would be.
 *
 * Invariants: 1. One head, then the body, then the end. 2. An answer to HEAD, and one with 204 or 304, has no body.
 * 3. `destroy` resets the stream: the client never takes a part for the whole.
 */
import { EventEmitter } from 'node:events'
import type { ClientResponse } from '../http/client.ts'
import { field, statusField } from './answer-fields.ts'
import type { Http2Stream } from './stream.ts'

type Headers = Record<string, string | number> | readonly string[]
const NO_HEADERS: readonly string[] = []

export class Http2Response extends EventEmitter implements ClientResponse {
  readonly replacesHeaders = true
  /** Means nothing here. */
  shouldKeepAlive = true
  readonly #stream: Http2Stream
  readonly #isHead: boolean
  /** Flat; the list itself may be that of all answers. */
  #preset: readonly string[]
  #status = 200
  #headers: Headers = NO_HEADERS
  #hasEnded = false
  headersSent = false

  /** @param preset headers of all answers, unless they are set otherwise */
  constructor(stream: Http2Stream, { isHead, preset }: { isHead: boolean; preset: readonly string[] }) {
    super()
    this.#stream = stream
    this.#isHead = isHead
    this.#preset = preset
  }

  get socket(): Http2Stream | null {
    return this.#stream.writable ? this.#stream : null
  }

  getHeaderNames(): string[] {
    return this.#preset.filter((_, at) => at % 2 === 0)
  }

  setHeader(name: string, value: string): void {
    this.removeHeader(name)
    this.appendHeader(name, value)
  }

  appendHeader(name: string, value: string): void {
    this.#preset = [...this.#preset, name.toLowerCase(), value]
  }

  removeHeader(name: string): void {
    const lower = name.toLowerCase()
    this.#preset = this.#preset.filter((_, at) => this.#preset[at - (at % 2)] !== lower)
  }

  writeContinue(): void {
    this.#inform(100, NO_HEADERS)
  }

  writeEarlyHints(hints: Record<string, string | string[]>): void {
    const flat = Object.entries(hints).flatMap(([name, values]) => [values].flat().flatMap(value => [name, value]))
    this.#inform(103, flat)
  }

  writeHead(status: number, headers: Headers = NO_HEADERS): this {
    this.#status = status
    this.#headers = headers
    return this
  }

  flushHeaders(): void {
    if (!this.headersSent) this.#sendHead(false)
  }

  write(piece: Buffer): boolean {
    if (!this.#stream.writable) return true
    this.flushHeaders()
    return this.#hasNoBody || this.#stream.write(piece)
  }

  end(body = '', encoding: BufferEncoding = 'utf8'): void {
    if (this.#hasEnded || !this.#stream.writable) return
    this.#hasEnded = true
    const bytes = encoding === 'latin1' ? body : Buffer.from(body, encoding).toString('latin1')
    const sent = this.#hasNoBody ? '' : bytes
    if (!this.headersSent) {
      // Of an answer to HEAD nothing says how long it would have been.
      const isSized = this.#status !== 204 && this.#status !== 304 && !(this.#isHead && bytes === '')
      this.#sendHead(sent === '', isSized ? bytes.length : undefined)
      if (sent === '') return
    }
    this.#stream.end(sent)
  }

  destroy(): void {
    this.#stream.destroy()
  }

  /** @internal The client reads again. */
  drained(): void {
    this.emit('drain')
  }

  /** @internal The stream is gone. */
  close(): void {
    this.emit('close')
  }

  get #hasNoBody(): boolean {
    return this.#isHead || this.#status === 204 || this.#status === 304
  }

  #inform(status: number, headers: readonly string[]): void {
    if (!this.headersSent && this.#stream.writable) this.#stream.sendHead(statusField(status) + blockOf(headers), false)
  }

  /** @param length of the body, if that is known and was not said */
  #sendHead(isLast: boolean, length?: number): void {
    this.headersSent = true
    const given = this.#headers
    const headers = Array.isArray(given) ? (given as readonly string[]) : Object.entries(given).flat().map(String)
    let block = statusField(this.#status)
    let hasDate = false
    let hasLength = length === undefined
    for (let at = 0; at < headers.length; at += 2) {
      const name = headers[at]!
      if (name.length === 4 && name.toLowerCase() === 'date') hasDate = true
      else if (name.length === 14 && name.toLowerCase() === 'content-length') hasLength = true
    }
    for (let at = 0; at < this.#preset.length; at += 2) {
      const name = this.#preset[at]!
      if (!has(headers, name)) block += field(name, this.#preset[at + 1]!)
    }
    block += blockOf(headers)
    if (!hasLength) block += field('content-length', String(length))
    if (!hasDate) block += field('date', today())
    this.#stream.sendHead(block, isLast)
  }
}

function blockOf(headers: readonly string[]): string {
  let block = ''
  for (let at = 0; at < headers.length; at += 2) block += field(headers[at]!, headers[at + 1]!)
  return block
}

function has(headers: readonly string[], lower: string): boolean {
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]!
    if (name.length === lower.length && name.toLowerCase() === lower) return true
  }
  return false
}

let second = 0
let date = ''

/** For answers without a date (RFC 9110 §6.6.1). */
function today(): string {
  const now = Math.floor(Date.now() / 1000)
  if (now !== second) {
    second = now
    date = new Date(now * 1000).toUTCString()
  }
  return date
}
