/**
 * Cuts what a client sends into frames, and checks of each what can be checked of it alone (RFC 9113 §3.4, §4, §6).
 *
 * Invariants: 1. No frame is larger than `MAX_FRAME_BYTES`; of a block of fields no more than `MAX_BLOCK_BYTES` and
 * `MAX_CONTINUATIONS` frames are gathered (CVE-2024-27316). 2. Within a block nothing else comes. 3. Bodies are handed
 * on as they arrive, also in parts of a frame: they are not copied.
 */
import { CODE, ConnectionError, FLAG, FRAME, FRAME_HEAD_BYTES, MAX_FRAME_BYTES, PREFACE } from './frames.ts'

/** Larger than a head that is taken: so one that is too large has an answer. */
const MAX_BLOCK_BYTES = 64 * 1024
const MAX_CONTINUATIONS = 16
const PRIORITY_BYTES = 5

/** Each may throw a ConnectionError. */
export interface FrameSink {
  /** @param flowBytes what counts against the windows */
  onData(stream: number, piece: Buffer, frame: { flowBytes: number; isLast: boolean }): void
  onHeaders(stream: number, block: Buffer, isLast: boolean): void
  onReset(stream: number): void
  onSettings(settings: Buffer, isAck: boolean): void
  onPing(payload: Buffer, isAck: boolean): void
  onGoaway(): void
  onWindowUpdate(stream: number, increment: number): void
  /** A frame that says nothing to us. */
  onOther(): void
}

interface Frame {
  type: number
  flags: number
  stream: number
  payload: Buffer
}

export class FrameReader {
  readonly #sink: FrameSink
  #rest: Buffer | undefined
  #hasPreface = false
  #hasSettings = false
  /** A frame of a body whose end has not come. */
  #body: { stream: number; isLast: boolean; left: number } | undefined
  /** A block whose end has not come. */
  #block: { stream: number; isLast: boolean; parts: Buffer[]; bytes: number } | undefined

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  /** The client owes the rest of a greeting, of a block of fields, or of a frame other than DATA: it may not take long. */
  get isWithinHead(): boolean {
    const rest = this.#rest
    return !this.#hasSettings || this.#block !== undefined || (rest !== undefined && rest[3] !== FRAME.data)
  }

  /** @throws ConnectionError */
  write(piece: Buffer): void {
    const bytes = this.#rest === undefined ? piece : Buffer.concat([this.#rest, piece])
    this.#rest = undefined
    let at = 0
    if (!this.#hasPreface) {
      const shown = bytes.toString('latin1', 0, Math.min(bytes.length, PREFACE.length))
      if (!PREFACE.startsWith(shown)) throw new ConnectionError(CODE.protocol, 'another protocol')
      if (shown.length < PREFACE.length) return void (this.#rest = bytes)
      this.#hasPreface = true
      at = PREFACE.length
    }
    if (this.#body !== undefined) at = this.#continueBody(bytes, at)
    while (bytes.length - at >= FRAME_HEAD_BYTES) {
      const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
      if (length > MAX_FRAME_BYTES) throw tooLarge()
      const end = at + FRAME_HEAD_BYTES + length
      const stream = bytes.readUInt32BE(at + 5) & 0x7fff_ffff
      if (end > bytes.length) {
        if (!this.#mayBegin({ type: bytes[at + 3]!, flags: bytes[at + 4]!, stream })) break
        this.#body = { stream, isLast: (bytes[at + 4]! & FLAG.endStream) !== 0, left: length }
        return void this.#continueBody(bytes, at + FRAME_HEAD_BYTES)
      }
      const payload = bytes.subarray(at + FRAME_HEAD_BYTES, end)
      this.#frame({ type: bytes[at + 3]!, flags: bytes[at + 4]!, stream, payload })
      at = end
    }
    if (at < bytes.length) this.#rest = bytes.subarray(at)
  }

  #mayBegin({ type, flags, stream }: Omit<Frame, 'payload'>): boolean {
    const isPlain = type === FRAME.data && (flags & FLAG.padded) === 0
    return isPlain && stream !== 0 && this.#hasSettings && this.#block === undefined
  }

  /** @returns where the frame ends, or all that there is. */
  #continueBody(bytes: Buffer, from: number): number {
    const body = this.#body!
    const to = Math.min(bytes.length, from + body.left)
    if (to === from) return from
    body.left -= to - from
    if (body.left === 0) this.#body = undefined
    const isLast = body.isLast && body.left === 0
    this.#sink.onData(body.stream, bytes.subarray(from, to), { flowBytes: to - from, isLast })
    return to
  }

  #frame(frame: Frame): void {
    const { type, flags, stream, payload } = frame
    if (!this.#hasSettings) {
      expect(type === FRAME.settings && (flags & FLAG.ack) === 0, 'the first frame is no SETTINGS')
      this.#hasSettings = true
    }
    if (this.#block !== undefined) {
      expect(type === FRAME.continuation && stream === this.#block.stream, 'a block of fields is interrupted')
      return this.#continue(frame)
    }
    switch (type) {
      case FRAME.data:
        expect(stream !== 0, 'DATA for no stream')
        return this.#sink.onData(stream, unpadded(frame), {
          flowBytes: payload.length,
          isLast: (flags & FLAG.endStream) !== 0,
        })
      case FRAME.headers:
        expect(stream !== 0, 'HEADERS for no stream')
        return this.#headers(frame)
      case FRAME.priority:
        expect(stream !== 0, 'PRIORITY for no stream')
        expectLength(payload.length === PRIORITY_BYTES)
        return this.#sink.onOther()
      case FRAME.rstStream:
        expect(stream !== 0, 'RST_STREAM for no stream')
        expectLength(payload.length === 4)
        return this.#sink.onReset(stream)
      case FRAME.settings: {
        const isAck = (flags & FLAG.ack) !== 0
        expect(stream === 0, 'SETTINGS for a stream')
        expectLength(isAck ? payload.length === 0 : payload.length % 6 === 0)
        return this.#sink.onSettings(payload, isAck)
      }
      case FRAME.ping:
        expect(stream === 0, 'PING for a stream')
        expectLength(payload.length === 8)
        return this.#sink.onPing(payload, (flags & FLAG.ack) !== 0)
      case FRAME.goaway:
        expect(stream === 0, 'GOAWAY for a stream')
        expectLength(payload.length >= 8)
        return this.#sink.onGoaway()
      case FRAME.windowUpdate: {
        expectLength(payload.length === 4)
        const increment = payload.readUInt32BE(0) & 0x7fff_ffff
        expect(increment > 0, 'a window that grows by nothing')
        return this.#sink.onWindowUpdate(stream, increment)
      }
      case FRAME.pushPromise:
      case FRAME.continuation:
        throw new ConnectionError(CODE.protocol, 'a frame that no client sends here')
      default:
        return this.#sink.onOther()
    }
  }

  #headers(frame: Frame): void {
    const { flags, stream } = frame
    const isLast = (flags & FLAG.endStream) !== 0
    let fragment = unpadded(frame)
    if ((flags & FLAG.priority) !== 0) {
      expectLength(fragment.length >= PRIORITY_BYTES)
      fragment = fragment.subarray(PRIORITY_BYTES)
    }
    if ((flags & FLAG.endHeaders) !== 0) return this.#sink.onHeaders(stream, fragment, isLast)
    this.#block = { stream, isLast, parts: [fragment], bytes: fragment.length }
  }

  #continue({ flags, payload }: Frame): void {
    const block = this.#block!
    block.parts.push(payload)
    block.bytes += payload.length
    if (block.bytes > MAX_BLOCK_BYTES || block.parts.length > MAX_CONTINUATIONS) {
      throw new ConnectionError(CODE.enhanceYourCalm, 'a block of fields without end')
    }
    if ((flags & FLAG.endHeaders) === 0) return
    this.#block = undefined
    this.#sink.onHeaders(block.stream, Buffer.concat(block.parts), block.isLast)
  }
}

function unpadded({ flags, payload }: Frame): Buffer {
  if ((flags & FLAG.padded) === 0) return payload
  expectLength(payload.length > 0)
  const padding = payload[0]!
  expect(padding < payload.length, 'padding that is longer than its frame')
  return payload.subarray(1, payload.length - padding)
}

function expect(isRight: boolean, message: string): void {
  if (!isRight) throw new ConnectionError(CODE.protocol, message)
}

function expectLength(isRight: boolean): void {
  if (!isRight) throw new ConnectionError(CODE.frameSize, 'a frame of another length')
}

function tooLarge(): ConnectionError {
  return new ConnectionError(CODE.frameSize, 'a frame that is too large')
}
