/**
 * The body of one request on its way to an instance: streamed with backpressure, and kept for another try while small.
 *
 * Invariants: 1. Nothing is read from the client while no instance takes it. 2. Up to `REPLAY_LIMIT_BYTES` are kept
 * until `forget`; while all that was read is kept, the body can be sent again from its start. 3. Framing is this
 * file's: raw bytes under a length, chunks otherwise. 4. Nothing beyond the limit is passed on.
 */
import type { UpstreamConnection } from '../upstream/index.ts'
import type { ClientRequest } from './client.ts'

export const REPLAY_LIMIT_BYTES = 64 * 1024

const LINGER_MS = 5_000
const LAST_CHUNK = Buffer.from('0\r\n\r\n')
const CRLF = Buffer.from('\r\n')

export class RequestBody {
  private readonly request: ClientRequest
  private readonly isChunked: boolean
  private readonly limitBytes: number
  private readonly onTooLarge: () => void
  private connection: UpstreamConnection | undefined
  private kept: Buffer[] | undefined = []
  private keptBytes = 0
  private isComplete = false
  private isFlowing = false
  private readBytes = 0

  constructor(request: ClientRequest, options: { isChunked: boolean; limitBytes: number; onTooLarge: () => void }) {
    this.request = request
    this.isChunked = options.isChunked
    this.limitBytes = options.limitBytes
    this.onTooLarge = options.onTooLarge
  }

  get isTooLarge(): boolean {
    return this.readBytes > this.limitBytes
  }

  get isReplayable(): boolean {
    return this.kept !== undefined
  }

  /**
   * What goes out together with the head: all that is known of the body so far.
   * @returns `isComplete`: nothing follows.
   */
  start(): { body: Buffer | undefined; isComplete: boolean } {
    if (!this.isFlowing && this.request.complete) {
      const whole = this.request.read() as Buffer | null
      this.readBytes = whole?.length ?? 0
      this.take(whole)
      this.isComplete = true
    }
    const pieces = this.kept ?? []
    const parts = this.isChunked ? pieces.flatMap(piece => [chunkHead(piece), piece, CRLF]) : [...pieces]
    if (this.isChunked && this.isComplete) parts.push(LAST_CHUNK)
    return { body: parts.length === 0 ? undefined : Buffer.concat(parts), isComplete: this.isComplete }
  }

  /** Streams the rest to `connection`. */
  attach(connection: UpstreamConnection): void {
    this.connection = connection
    if (this.isComplete) return
    if (this.isFlowing) {
      this.request.resume()
      return
    }
    this.isFlowing = true
    this.request.on('data', (piece: Buffer) => this.piece(piece))
    this.request.on('end', () => this.end())
  }

  detach(): void {
    this.connection = undefined
    if (this.isFlowing && !this.isComplete) this.request.pause()
  }

  drained(): void {
    if (this.connection !== undefined && this.isFlowing) this.request.resume()
  }

  /** No other try will follow. */
  forget(): void {
    this.kept = undefined
  }

  /** The call is over: the rest is read and discarded, so that the client can read its answer. */
  abandon(): void {
    this.connection = undefined
    this.kept = undefined
    if (!this.request.destroyed) this.request.resume()
  }

  private take(piece: Buffer | null): void {
    if (piece === null || this.kept === undefined) return
    this.keptBytes += piece.length
    if (this.keptBytes <= REPLAY_LIMIT_BYTES || !this.isFlowing) this.kept.push(piece)
    else this.kept = undefined
  }

  private piece(piece: Buffer): void {
    this.readBytes += piece.length
    if (this.readBytes > this.limitBytes) {
      // The first excess byte ends the call; the rest is discarded.
      if (this.connection !== undefined) this.onTooLarge()
      return
    }
    this.take(piece)
    const { connection } = this
    if (connection === undefined) return
    let mayContinue: boolean
    if (this.isChunked) {
      connection.socket.cork()
      connection.write(chunkHead(piece))
      connection.write(piece)
      mayContinue = connection.write(CRLF)
      connection.socket.uncork()
    } else {
      mayContinue = connection.write(piece)
    }
    if (!mayContinue) this.request.pause()
  }

  private end(): void {
    this.isComplete = true
    if (this.isChunked) this.connection?.write(LAST_CHUNK)
    this.connection?.finishRequest()
  }
}

/** Lets a client that has its answer go on sending for a while, then cuts it off. */
export function linger(request: ClientRequest): void {
  const { socket } = request
  const timer = setTimeout(() => {
    if (!request.complete) socket.destroy()
  }, LINGER_MS).unref()
  request.once('close', () => clearTimeout(timer))
}

function chunkHead(piece: Buffer): Buffer {
  return Buffer.from(`${piece.length.toString(16)}\r\n`)
}
