/**
 * Seals what goes over NATS: routes contain hashes of keys and secrets of tokens, and whoever else uses that server must
 * neither read nor change them. What a text is for is authenticated with it, so that none passes for another.
 *
 * Sealed is: 1 if the rest is deflated, otherwise 0, and the text.
 */
import { createHmac, hkdfSync } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { SealedBox } from '../../host/index.ts'

/** Shorter texts gain less than it takes: a route has some 500 bytes. */
const DEFLATED_BYTES = 4_096
const MAX_TEXT_BYTES = 64 * 1024 * 1024
const KEY_BYTES = 32
const [PLAIN, DEFLATED] = [Buffer.of(0), Buffer.of(1)]

export class Sealer {
  readonly #box: SealedBox
  readonly #macKey: Buffer

  /** @param secret the platform's key; the same in all processes */
  constructor(secret: string) {
    this.#box = new SealedBox(secret, 'ryo-faas shared routes: seal')
    this.#macKey = Buffer.from(hkdfSync('sha256', secret, '', 'ryo-faas shared routes: fingerprint', KEY_BYTES))
  }

  seal(purpose: string, text: string): Buffer {
    const packed = text.length >= DEFLATED_BYTES ? [DEFLATED, deflateRawSync(text)] : [PLAIN, Buffer.from(text)]
    return this.#box.close(purpose, Buffer.concat(packed))
  }

  /** @returns undefined if it was not sealed with this key for this purpose */
  open(purpose: string, data: Uint8Array): string | undefined {
    const packed = this.#box.open(purpose, data)
    if (packed === undefined || packed.length === 0) return undefined
    const text = packed.subarray(1)
    try {
      return (packed[0] === 1 ? inflateRawSync(text, { maxOutputLength: MAX_TEXT_BYTES }) : text).toString()
    } catch {
      return undefined // Longer than any table.
    }
  }

  /** The same for the same text in all processes, and of no use to others. */
  fingerprint(purpose: string, text: string): bigint {
    const mac = createHmac('sha256', this.#macKey).update(`${purpose}\0`).update(text).digest('hex')
    return BigInt(`0x${mac}`)
  }
}
