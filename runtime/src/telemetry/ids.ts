/**
 * Ids of requests, traces and spans, cheap enough to make one per request: random bytes are fetched from the system a
 * few thousand at a time.
 */
import { randomFillSync } from 'node:crypto'

const POOL_BYTES = 24 * 256
const REQUEST_ID = /^[A-Za-z0-9!#$%&'*+.^_`|~:=@/-]{1,128}$/

export class IdSource {
  private readonly pool = Buffer.allocUnsafe(POOL_BYTES)
  private at = POOL_BYTES

  /** 32 hex digits: a request id that is also the trace id. */
  traceId(): string {
    return this.hex(16)
  }

  /** 16 hex digits. */
  spanId(): string {
    return this.hex(8)
  }

  private hex(bytes: number): string {
    if (this.at + bytes > POOL_BYTES) {
      randomFillSync(this.pool)
      this.at = 0
    }
    this.at += bytes
    return this.pool.toString('hex', this.at - bytes, this.at)
  }
}

/** A client's request id is accepted only if it is harmless in a header or a log line. */
export function isRequestId(value: string): boolean {
  return REQUEST_ID.test(value)
}
