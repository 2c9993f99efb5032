/**
 * What a connection sends: frames that become ready in one turn of the event loop leave in one write, because a write
 * through TLS costs more than all that is in it.
 *
 * Invariants: 1. Bodies are not handed to the socket while it has more than `SOCKET_BYTES`; they wait in their streams,
 * which take turns. 2. While it has more than `STALLED_BYTES`, which only heads and acknowledgements can make of it,
 * nothing more is read from the client (`onStall`). 3. Frames of one stream keep their order.
 */
import type { Socket } from 'node:net'
import {
  CODE,
  ConnectionError,
  DEFAULT_WINDOW,
  FLAG,
  FRAME,
  frame,
  frameHead,
  MAX_FRAME_BYTES,
  MAX_WINDOW,
} from './frames.ts'
import { NO_TABLE } from './answer-fields.ts'
import type { Http2Stream } from './stream.ts'

const SOCKET_BYTES = 128 * 1024
const STALLED_BYTES = 512 * 1024
/** Of all streams together: beyond that all have to wait. */
const MAX_WAITING_BYTES = 1024 * 1024
/** Below that, copying is cheaper than another part of a write. */
const SMALL_BYTES = 4096

export class Sender {
  readonly #socket: Socket
  readonly #onStall: (isStalled: boolean) => void
  #text = ''
  #parts: (string | Buffer)[] = []
  #partBytes = 0
  #isScheduled = false
  #isStalled = false
  readonly #ready = new Set<Http2Stream>()
  readonly #draining = new Set<Http2Stream>()
  /** What the client lets us send, of all streams. */
  window = DEFAULT_WINDOW
  /** Frames with something of a body, so far. */
  dataFrames = 0
  /** What waits in all streams. */
  waitingBytes = 0
  /** The other side has made its table smaller, and is told that ours is empty (RFC 7541 §4.2). */
  owesNoTable = false
  /** When the socket last took something, if it has something. */
  movedAt = 0

  constructor(socket: Socket, onStall: (isStalled: boolean) => void) {
    this.#socket = socket
    this.#onStall = onStall
    socket.on('drain', () => {
      this.movedAt = performance.now()
      if (this.#isStalled) {
        this.#isStalled = false
        onStall(false)
      }
      this.#flush()
    })
  }

  get isFull(): boolean {
    return this.waitingBytes >= MAX_WAITING_BYTES
  }

  /** Whether the socket has something that the client does not take. */
  get hasUnsent(): boolean {
    return this.#socket.writableLength > 0
  }

  append(text: string): void {
    this.#text += text
    this.#schedule()
  }

  appendBytes(bytes: Buffer): void {
    if (bytes.length <= SMALL_BYTES) {
      this.#text += bytes.toString('latin1', 0, bytes.length)
      return
    }
    if (this.#text !== '') this.#part(this.#text)
    this.#text = ''
    this.#part(bytes)
  }

  appendHead(stream: number, block: string, isLast: boolean): void {
    let rest = block
    if (this.owesNoTable) {
      this.owesNoTable = false
      rest = NO_TABLE + block
    }
    const endStream = isLast ? FLAG.endStream : 0
    if (rest.length <= MAX_FRAME_BYTES) {
      return this.append(frame({ type: FRAME.headers, flags: FLAG.endHeaders | endStream, stream }, rest))
    }
    let type: number = FRAME.headers
    for (let at = 0; at < rest.length; at += MAX_FRAME_BYTES) {
      const piece = rest.slice(at, at + MAX_FRAME_BYTES)
      const endHeaders = at + MAX_FRAME_BYTES >= rest.length ? FLAG.endHeaders : 0
      this.append(frameHead({ type, flags: endHeaders | (at === 0 ? endStream : 0), stream }, piece.length) + piece)
      type = FRAME.continuation
    }
  }

  /** @throws ConnectionError flowControl */
  grow(bytes: number): void {
    this.window += bytes
    if (this.window > MAX_WINDOW) throw new ConnectionError(CODE.flowControl, 'a window that is too large')
    if (this.#ready.size > 0) this.#schedule()
  }

  /** Whether a body of that length may be sent at once. */
  mayTake(length: number): boolean {
    return length === 0 || (length <= this.window && length <= MAX_FRAME_BYTES && !this.#isBusy)
  }

  take(length: number): void {
    this.window -= length
    this.dataFrames += 1
  }

  /** Something of its body waits, and its window is open. */
  ready(stream: Http2Stream): void {
    this.#ready.add(stream)
    this.#schedule()
  }

  awaitDrain(stream: Http2Stream): void {
    this.#draining.add(stream)
  }

  forget(stream: Http2Stream): void {
    this.#ready.delete(stream)
    this.#draining.delete(stream)
  }

  /** What is left leaves now; then the connection ends. */
  end(): void {
    this.#flush()
    this.#socket.destroySoon()
  }

  get #isBusy(): boolean {
    return this.#partBytes + this.#text.length + this.#socket.writableLength >= SOCKET_BYTES
  }

  #part(part: string | Buffer): void {
    this.#parts.push(part)
    this.#partBytes += part.length
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(flush, this)
  }

  /** @internal */
  flush(): void {
    this.#isScheduled = false
    this.#flush()
  }

  #flush(): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return
    this.#pump()
    this.#write()
    if (this.#draining.size > 0 && this.waitingBytes < MAX_WAITING_BYTES / 2) {
      const waiting = [...this.#draining]
      // Who is told writes at once, and may have to wait again.
      this.#draining.clear()
      for (const stream of waiting) stream.drained()
    }
    if (!this.#isStalled && this.#socket.writableLength > STALLED_BYTES) {
      this.#isStalled = true
      this.#onStall(true)
    }
  }

  #pump(): void {
    for (const stream of this.#ready) {
      if (this.window <= 0 || this.#isBusy) return
      // Behind the others, if it has more.
      this.#ready.delete(stream)
      if (stream.sendSome()) this.#ready.add(stream)
    }
  }

  #write(): void {
    if (this.#text === '' && this.#parts.length === 0) return
    if (this.#socket.writableLength === 0) this.movedAt = performance.now()
    const last = this.#text
    this.#text = ''
    if (this.#parts.length === 0) return void this.#socket.write(last, 'latin1')
    const parts = this.#parts
    this.#parts = []
    this.#partBytes = 0
    this.#socket.cork()
    for (const part of parts) this.#socket.write(part, 'latin1')
    if (last !== '') this.#socket.write(last, 'latin1')
    this.#socket.uncork()
  }
}

function flush(sender: Sender): void {
  sender.flush()
}
