/**
 * One stream: a request, its answer, and how much either side may send (RFC 9113 §5).
 *
 * Invariants: 1. No more is taken than the window allows, and the window grows only by what was read. 2. No more than
 * `HIGH_WATER_BYTES` and one more piece wait to be sent: whoever writes is told to wait. 3. It closes once, and its
 * request and its answer hear of it after whatever they are in the middle of.
 */
import type { ClientRequest, ClientResponse, ClientSocket } from '../http/client.ts'
import {
  CODE,
  ConnectionError,
  FLAG,
  FRAME,
  frameHead,
  MAX_FRAME_BYTES,
  MAX_WINDOW,
  rstStream,
  windowUpdate,
} from './frames.ts'
import type { ErrorCode } from './frames.ts'
import type { Http2Request } from './request.ts'
import type { Http2Response } from './response.ts'
import type { Sender } from './sender.ts'

/** What a client may send of a body before somebody reads it. */
export const STREAM_WINDOW = 128 * 1024
const HIGH_WATER_BYTES = 256 * 1024
const LOW_WATER_BYTES = 64 * 1024

/** What a stream needs of its connection. */
export interface StreamOwner {
  readonly remoteAddress: string | undefined
  readonly sender: Sender
  /** `bytes` of bodies were read: the client may send as many more. */
  consumed(bytes: number): void
  closed(stream: Http2Stream): void
  handOver(request: ClientRequest, response: ClientResponse): void
}

export class Http2Stream implements ClientSocket {
  readonly id: number
  readonly encrypted = true
  readonly remoteAddress: string | undefined
  readonly #owner: StreamOwner
  readonly #sender: Sender
  request: Http2Request | undefined
  response: Http2Response | undefined
  /** What the client lets us send. */
  sendWindow: number
  #receiveWindow = STREAM_WINDOW
  /** Arrived, and not read yet. */
  #unread = 0
  /** Read, and the client does not know yet. */
  #owed = 0
  #received = 0
  #announced: number | undefined
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #needsDrain = false
  #isEnding = false
  #isClosed = false
  /** The client has sent the last of its request. */
  isRemoteDone = false
  /** When something of it was last sent, if something waits. */
  movedAt = 0

  constructor(id: number, owner: StreamOwner, sendWindow: number) {
    this.id = id
    this.#owner = owner
    this.#sender = owner.sender
    this.remoteAddress = owner.remoteAddress
    this.sendWindow = sendWindow
  }

  /** Whether there is a client that waits for an answer. */
  get writable(): boolean {
    return !this.#isClosed && !this.#isEnding
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** Frames leave together as it is. */
  cork(): void {}
  uncork(): void {}

  handOver(request: ClientRequest, response: ClientResponse): void {
    this.#owner.handOver(request, response)
  }

  // What comes

  open(request: Http2Request, response: Http2Response, announced: number | undefined): void {
    this.request = request
    this.response = response
    this.#announced = announced
    this.isRemoteDone = request.complete
  }

  /**
   * @param flowBytes of the frame, padding included
   * @throws ConnectionError flowControl, protocol
   */
  take(piece: Buffer, flowBytes: number, isLast: boolean): void {
    this.#receiveWindow -= flowBytes
    if (this.#receiveWindow < 0) throw new ConnectionError(CODE.flowControl, 'more than the window of the stream')
    this.#unread += flowBytes
    this.#received += piece.length
    if (this.#announced !== undefined && this.#received > this.#announced) {
      throw new ConnectionError(CODE.protocol, 'more than content-length says')
    }
    this.consumed(flowBytes - piece.length)
    if (isLast && !this.#isWhole()) return
    if (isLast) this.isRemoteDone = true
    this.request!.take(piece, isLast)
  }

  /** The client has sent all, without a word more. */
  takeEnd(): void {
    if (!this.#isWhole()) return
    this.isRemoteDone = true
    this.request!.take(Buffer.alloc(0), true)
  }

  #isWhole(): boolean {
    if (this.#announced === undefined || this.#received === this.#announced) return true
    this.reset(CODE.protocol)
    return false
  }

  consumed(bytes: number): void {
    if (bytes === 0 || this.#isClosed) return
    this.#unread -= bytes
    this.#owner.consumed(bytes)
    if (this.isRemoteDone) return
    this.#owed += bytes
    if (this.#owed < STREAM_WINDOW / 2) return
    this.#receiveWindow += this.#owed
    this.#sender.append(windowUpdate(this.id, this.#owed))
    this.#owed = 0
  }

  // What goes

  /** @throws ConnectionError flowControl */
  grow(bytes: number): void {
    this.sendWindow += bytes
    if (this.sendWindow > MAX_WINDOW) throw new ConnectionError(CODE.flowControl, 'a window that is too large')
    if (this.#waitingBytes > 0 && this.sendWindow > 0) this.#sender.ready(this)
  }

  sendHead(block: string, isLast: boolean): void {
    if (!this.writable) return
    this.#sender.appendHead(this.id, block, isLast)
    if (isLast) this.#ended()
  }

  /** @returns false if the caller should wait until the answer is told that it has drained */
  write(piece: Buffer): boolean {
    if (piece.length > 0) this.#wait(piece)
    this.#needsDrain = this.#waitingBytes >= HIGH_WATER_BYTES || this.#sender.isFull
    if (this.#needsDrain) this.#sender.awaitDrain(this)
    return !this.#needsDrain
  }

  /** @param body the last of it, one character per byte */
  end(body: string): void {
    if (!this.writable) return
    this.#isEnding = true
    const { length } = body
    if (this.#waitingBytes > 0 || !this.#sender.mayTake(length) || length > Math.max(0, this.sendWindow)) {
      if (length > 0) this.#wait(Buffer.from(body, 'latin1'))
      return
    }
    this.sendWindow -= length
    this.#sender.take(length)
    this.#sender.append(frameHead({ type: FRAME.data, flags: FLAG.endStream, stream: this.id }, length) + body)
    this.#ended()
  }

  #wait(piece: Buffer): void {
    if (this.#waitingBytes === 0) this.movedAt = performance.now()
    this.#waiting.push(piece)
    this.#waitingBytes += piece.length
    this.#sender.waitingBytes += piece.length
    if (this.sendWindow > 0) this.#sender.ready(this)
  }

  /** @internal Sends one frame of what waits. @returns whether another may follow */
  sendSome(): boolean {
    const length = Math.min(MAX_FRAME_BYTES, this.sendWindow, this.#sender.window, this.#waitingBytes)
    if (this.#isClosed || length <= 0) return false
    this.#waitingBytes -= length
    this.sendWindow -= length
    this.#sender.waitingBytes -= length
    this.#sender.take(length)
    this.movedAt = performance.now()
    const isLast = this.#isEnding && this.#waitingBytes === 0
    const flags = isLast ? FLAG.endStream : 0
    this.#sender.append(frameHead({ type: FRAME.data, flags, stream: this.id }, length))
    for (let left = length; left > 0;) {
      const piece = this.#waiting[0]!
      if (piece.length <= left) this.#waiting.shift()
      else this.#waiting[0] = piece.subarray(left)
      const sent = piece.length <= left ? piece : piece.subarray(0, left)
      this.#sender.appendBytes(sent)
      left -= sent.length
    }
    if (isLast) this.#ended()
    return !isLast && this.#waitingBytes > 0 && this.sendWindow > 0
  }

  /** @internal There is room again in all streams together; in this one, perhaps. */
  drained(): void {
    if (!this.#needsDrain || this.#isClosed) return
    if (this.#waitingBytes > LOW_WATER_BYTES) return this.#sender.awaitDrain(this)
    this.#needsDrain = false
    this.response?.drained()
  }

  // The end

  /** What was sent of the answer is not all of it. */
  destroy(): void {
    this.reset(CODE.internal)
  }

  reset(code: ErrorCode): void {
    if (this.#isClosed) return
    this.#sender.append(rstStream(this.id, code))
    this.close()
  }

  #ended(): void {
    this.#isEnding = true
    // The rest of the request is not wanted (RFC 9113 §8.1).
    if (this.isRemoteDone) this.close()
    else this.reset(CODE.noError)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#sender.forget(this)
    this.#sender.waitingBytes -= this.#waitingBytes
    this.#waitingBytes = 0
    this.#waiting = []
    if (this.#unread > 0) this.#owner.consumed(this.#unread)
    this.#owner.closed(this)
    process.nextTick(tellClosed, this)
  }
}

function tellClosed({ request, response }: Http2Stream): void {
  request?.close()
  response?.close()
}
