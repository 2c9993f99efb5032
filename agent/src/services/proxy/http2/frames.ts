/** What frames are made of (RFC 9113 §4, §6, §7). */

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const

export const FLAG = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const

export const CODE = {
  noError: 0x0,
  protocol: 0x1,
  internal: 0x2,
  flowControl: 0x3,
  streamClosed: 0x5,
  frameSize: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compression: 0x9,
  enhanceYourCalm: 0xb,
} as const
export type ErrorCode = (typeof CODE)[keyof typeof CODE]

export const FRAME_HEAD_BYTES = 9
/** What either side takes without having said so; we never say more, and never send more. */
export const MAX_FRAME_BYTES = 16_384
export const DEFAULT_WINDOW = 65_535
export const MAX_WINDOW = 0x7fff_ffff
export const MAX_STREAM_ID = 0x7fff_ffff
export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

/** The connection cannot go on: it is closed with this code. */
export class ConnectionError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

interface FrameHead {
  type: number
  flags: number
  stream: number
}

/** Frames are text, one character per byte: small ones leave together, in one write of one text. */
export function frame({ type, flags, stream }: FrameHead, payload: string): string {
  return frameHead({ type, flags, stream }, payload.length) + payload
}

export function frameHead({ type, flags, stream }: FrameHead, length: number): string {
  return String.fromCharCode(
    length >>> 16,
    (length >>> 8) & 255,
    length & 255,
    type,
    flags,
    stream >>> 24,
    (stream >>> 16) & 255,
    (stream >>> 8) & 255,
    stream & 255,
  )
}

export function u32(value: number): string {
  return String.fromCharCode(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255)
}

export function windowUpdate(stream: number, increment: number): string {
  return frame({ type: FRAME.windowUpdate, flags: 0, stream }, u32(increment))
}

export function rstStream(stream: number, code: ErrorCode): string {
  return frame({ type: FRAME.rstStream, flags: 0, stream }, u32(code))
}

export function goaway(lastStream: number, code: ErrorCode): string {
  return frame({ type: FRAME.goaway, flags: 0, stream: 0 }, u32(lastStream) + u32(code))
}
