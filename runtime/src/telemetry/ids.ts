/**
 * Ids of requests, traces and spans, cheap enough to make one per request. They must differ, and are no secrets: as in
 * OpenTelemetry's own SDK they come from `Math.random`, which each process seeds from the system. `node:crypto` would be
 * 1.3 MiB of memory in every function.
 */
const POOL_BYTES = 24 * 256
const UINT_32 = 2 ** 32
const REQUEST_ID = /^[A-Za-z0-9!#$%&'*+.^_`|~:=@/-]{1,128}$/

export class IdSource {
  private readonly numbers = new Uint32Array(POOL_BYTES / Uint32Array.BYTES_PER_ELEMENT)
  private readonly pool = Buffer.from(this.numbers.buffer)
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
      for (let index = 0; index < this.numbers.length; index += 1) this.numbers[index] = Math.random() * UINT_32
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
