/**
 * Seals what goes over NATS: routes contain hashes of keys and secrets of tokens, and whoever else uses that server must
 * neither read nor change them. AES-256-GCM; what a text is for is authenticated with it, so that none passes for another.
 *
 * Invariant: no key is used twice with one nonce. Each `Sealer` derives a key of its own from the platform's and a
 * random salt, and counts: nonces chosen at random would be safe for some billions of messages only.
 *
 * Format: salt (16 bytes), nonce (12), tag (16), and sealed: 1 if the rest is deflated, otherwise 0, and the text.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'

const SALT_BYTES = 16
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEAD_BYTES = SALT_BYTES + NONCE_BYTES + TAG_BYTES
/** Shorter texts gain less than it takes: a route has some 500 bytes. */
const DEFLATED_BYTES = 4_096
const MAX_TEXT_BYTES = 64 * 1024 * 1024
/** Senders that are remembered: each start of a process is another one. */
const REMEMBERED = 64
const [PLAIN, DEFLATED] = [Buffer.of(0), Buffer.of(1)]

export class Sealer {
  readonly #secret: string
  readonly #own: { salt: Buffer; key: Buffer }
  readonly #macKey: Buffer
  /** By salt. */
  readonly #keys = new Map<string, Buffer>()
  #count = 0n

  /** @param secret the platform's key; the same in all processes */
  constructor(secret: string) {
    this.#secret = secret
    const salt = randomBytes(SALT_BYTES)
    this.#own = { salt, key: this.#derive(salt, 'seal') }
    this.#macKey = this.#derive(Buffer.alloc(0), 'fingerprint')
  }

  seal(purpose: string, text: string): Buffer {
    const nonce = Buffer.alloc(NONCE_BYTES)
    nonce.writeBigUInt64BE((this.#count += 1n), NONCE_BYTES - 8)
    const cipher = createCipheriv('aes-256-gcm', this.#own.key, nonce).setAAD(Buffer.from(purpose))
    const isLong = text.length >= DEFLATED_BYTES
    const sealed = [
      cipher.update(isLong ? DEFLATED : PLAIN),
      cipher.update(isLong ? deflateRawSync(text) : Buffer.from(text)),
    ]
    cipher.final()
    return Buffer.concat([this.#own.salt, nonce, cipher.getAuthTag(), ...sealed])
  }

  /** @returns undefined if it was not sealed with this key for this purpose */
  open(purpose: string, data: Uint8Array): string | undefined {
    const sealed = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    if (sealed.length < HEAD_BYTES) return undefined
    const nonce = sealed.subarray(SALT_BYTES, SALT_BYTES + NONCE_BYTES)
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#keyOf(sealed.subarray(0, SALT_BYTES)), nonce)
        .setAAD(Buffer.from(purpose))
        .setAuthTag(sealed.subarray(SALT_BYTES + NONCE_BYTES, HEAD_BYTES))
      const packed = decipher.update(sealed.subarray(HEAD_BYTES))
      decipher.final()
      const text = packed.subarray(1)
      return (packed[0] === 1 ? inflateRawSync(text, { maxOutputLength: MAX_TEXT_BYTES }) : text).toString()
    } catch {
      return undefined
    }
  }

  /** The same for the same text in all processes, and of no use to others. */
  fingerprint(purpose: string, text: string): bigint {
    const mac = createHmac('sha256', this.#macKey).update(`${purpose}\0`).update(text).digest('hex')
    return BigInt(`0x${mac}`)
  }

  #keyOf(salt: Buffer): Buffer {
    const name = salt.toString('latin1')
    let key = this.#keys.get(name)
    if (key === undefined) {
      if (this.#keys.size >= REMEMBERED) this.#keys.clear()
      this.#keys.set(name, (key = this.#derive(salt, 'seal')))
    }
    return key
  }

  #derive(salt: Buffer, what: string): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#secret, salt, `ryo-faas shared routes: ${what}`, 32))
  }
}
