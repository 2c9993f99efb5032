/**
 * Encodes texts into one buffer that is used over and over: LMDB copies a value while it is put. Saves an allocation and
 * a look-up of its address for every value.
 */
const START_BYTES = 1024 * 1024
/** In UTF-8 a UTF-16 unit takes at most three bytes. */
const BYTES_PER_UNIT = 3
const DIGEST_BYTES = 4

export class Scratch {
  private buffer = Buffer.from(new ArrayBuffer(START_BYTES))

  /** Valid until the next call. @param digest 4 bytes in front */
  encode(text: string, digest?: number): Buffer {
    const needed = text.length * BYTES_PER_UNIT + DIGEST_BYTES
    if (needed > this.buffer.length) this.buffer = Buffer.from(new ArrayBuffer(needed * 2))
    const from = digest === undefined ? 0 : this.buffer.writeUInt32BE(digest, 0)
    return this.buffer.subarray(0, from + this.buffer.write(text, from))
  }
}
