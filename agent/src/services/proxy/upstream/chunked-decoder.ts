/**
 * Takes the chunked transfer coding off a body (RFC 9112 §7.1), piece by piece.
 *
 * Invariants: 1. sizes are 1–13 hex digits, lines end in CRLF and nothing else, a chunk's data is followed by CRLF.
 * 2. extensions and trailers are skipped, hold no control characters, and at most `FRAMING_LIMIT` bytes per chunk line
 * or trailer section. 3. data slices point into the buffer that was handed in.
 */
import { UpstreamError } from './upstream-error.ts'

const FRAMING_LIMIT = 16 * 1024
const CR = 13
const LF = 10
const TAB = 9
const DEL = 127

type State = 'size' | 'extension' | 'size-lf' | 'data' | 'data-cr' | 'data-lf' | 'trailer' | 'trailer-lf' | 'done'

export class ChunkedDecoder {
  private state: State = 'size'
  private size = 0
  private digits = 0
  private framing = 0
  private lineLength = 0

  get isDone(): boolean {
    return this.state === 'done'
  }

  /**
   * Decodes `buffer` from `from` to `to` and hands each piece of data to `onData`.
   * @returns where it stopped: `to`, or earlier if the body ended.
   * @throws UpstreamError `protocol`
   */
  decode(buffer: Buffer, range: { from: number; to: number }, onData: (piece: Buffer) => void): number {
    const { to } = range
    let at = range.from
    while (at < to && this.state !== 'done') {
      if (this.state === 'data') {
        const length = Math.min(this.size, to - at)
        onData(buffer.subarray(at, at + length))
        at += length
        this.size -= length
        if (this.size === 0) this.state = 'data-cr'
      } else {
        this.step(buffer[at]!)
        at += 1
      }
    }
    return at
  }

  private step(byte: number): void {
    switch (this.state) {
      case 'size': {
        const digit = hexDigit(byte)
        if (digit >= 0) {
          if (++this.digits > 13) throw new UpstreamError('protocol', 'chunk size too large')
          this.size = this.size * 16 + digit
        } else if (this.digits === 0) {
          throw new UpstreamError('protocol', 'malformed chunk size')
        } else if (byte === CR) {
          this.state = 'size-lf'
        } else if (byte === 59 || byte === 32 || byte === 9) {
          this.state = 'extension'
        } else {
          throw new UpstreamError('protocol', 'malformed chunk size')
        }
        return
      }
      case 'extension':
        this.countFraming()
        if (byte === CR) this.state = 'size-lf'
        else refuseControl(byte, 'a chunk extension')
        return
      case 'size-lf':
        this.expect(byte, LF)
        this.framing = 0
        this.lineLength = 0
        this.digits = 0
        this.state = this.size === 0 ? 'trailer' : 'data'
        return
      case 'data-cr':
        this.expect(byte, CR)
        this.state = 'data-lf'
        return
      case 'data-lf':
        this.expect(byte, LF)
        this.state = 'size'
        return
      case 'trailer':
        this.countFraming()
        if (byte === CR) this.state = 'trailer-lf'
        else {
          refuseControl(byte, 'trailers')
          this.lineLength += 1
        }
        return
      case 'trailer-lf':
        this.expect(byte, LF)
        this.state = this.lineLength === 0 ? 'done' : 'trailer'
        this.lineLength = 0
        return
      case 'data':
      case 'done':
        return
    }
  }

  private expect(byte: number, wanted: number): void {
    if (byte !== wanted) throw new UpstreamError('protocol', 'malformed chunk framing')
  }

  private countFraming(): void {
    if (++this.framing > FRAMING_LIMIT) throw new UpstreamError('protocol', 'chunk framing too large')
  }
}

function refuseControl(byte: number, place: string): void {
  if ((byte < 32 && byte !== TAB) || byte === DEL) {
    throw new UpstreamError('protocol', `control character in ${place}`)
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48
  if (byte >= 97 && byte <= 102) return byte - 87
  if (byte >= 65 && byte <= 70) return byte - 55
  return -1
}
