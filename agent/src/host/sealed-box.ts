/**
 * What processes with one secret leave to each other where others can read and write it, too: AES-256-GCM (NIST SP
 * 800-38D), bound to the name under which it is kept.
 *
 * Invariant: no key is used twice with one nonce. Each box derives a key of its own from the secret and a random salt, and
 * counts: nonces chosen at random would be safe for some billions of messages only.
 *
 * Format: salt (16 bytes), nonce (12), tag (16), and the sealed content.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const SALT_BYTES = 16
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEAD_BYTES = SALT_BYTES + NONCE_BYTES + TAG_BYTES
/** Senders that are remembered: each start of a process is another one. */
const REMEMBERED = 64

export class SealedBox {
  readonly #secret: string | Buffer
  readonly #purpose: string
  readonly #own: { salt: Buffer; key: Buffer }
  /** By salt. */
  readonly #keys = new Map<string, Buffer>()
  #count = 0n

  /** @param purpose what the secret is used for here: other purposes have other keys */
  constructor(secret: string | Buffer, purpose: string) {
    this.#secret = secret
    this.#purpose = purpose
    const salt = randomBytes(SALT_BYTES)
    this.#own = { salt, key: this.#derive(salt) }
  }

  /** @param name it opens under no other */
  close(name: string, content: Uint8Array): Buffer {
    const nonce = Buffer.alloc(NONCE_BYTES)
    nonce.writeBigUInt64BE((this.#count += 1n), NONCE_BYTES - 8)
    const cipher = createCipheriv(CIPHER, this.#own.key, nonce).setAAD(Buffer.from(name))
    const sealed = cipher.update(content)
    cipher.final()
    return Buffer.concat([this.#own.salt, nonce, cipher.getAuthTag(), sealed])
  }

  /** @returns undefined if it was not sealed with this secret under this name */
  open(name: string, data: Uint8Array): Buffer | undefined {
    const sealed = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    if (sealed.length < HEAD_BYTES) return undefined
    const nonce = sealed.subarray(SALT_BYTES, SALT_BYTES + NONCE_BYTES)
    try {
      const key = this.#keyOf(sealed.subarray(0, SALT_BYTES))
      const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
        .setAAD(Buffer.from(name))
        .setAuthTag(sealed.subarray(SALT_BYTES + NONCE_BYTES, HEAD_BYTES))
      const content = decipher.update(sealed.subarray(HEAD_BYTES))
      decipher.final()
      return content
    } catch {
      return undefined
    }
  }

  #keyOf(salt: Buffer): Buffer {
    const name = salt.toString('latin1')
    let key = this.#keys.get(name)
    if (key === undefined) {
      if (this.#keys.size >= REMEMBERED) this.#keys.clear()
      this.#keys.set(name, (key = this.#derive(salt)))
    }
    return key
  }

  #derive(salt: Buffer): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#secret, salt, this.#purpose, KEY_BYTES))
  }
}
