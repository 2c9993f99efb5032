/**
 * What agents write on the bus is sealed with the key of their cluster: who else uses that server reads and forges none of
 * it. AES-256-GCM (NIST SP 800-38D), with a random nonce, bound to the name under which it is kept.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { RyoFaasError } from '../contract/index.ts'

const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const CIPHER = 'aes-256-gcm'

/** Text of the file of a new key. */
export function newClusterKey(): string {
  return randomBytes(KEY_BYTES).toString('base64url')
}

export class Seal {
  readonly #key: Buffer
  /** With which agents prove themselves to each other. */
  readonly peerKey: Buffer

  /**
   * @param text of the file
   * @throws RyoFaasError INVALID_OPTION
   */
  constructor(text: string) {
    const secret = Buffer.from(text.trim(), 'base64url')
    if (secret.length !== KEY_BYTES) {
      throw new RyoFaasError('INVALID_OPTION', 'the file of --cluster-key has no key in it', {
        hint: 'Copy the file from a machine where an agent of this platform runs.',
      })
    }
    const derived = (purpose: string) => Buffer.from(hkdfSync('sha256', secret, '', `ryo-faas ${purpose}`, KEY_BYTES))
    this.#key = derived('seal')
    this.peerKey = derived('peers')
  }

  /** @param name under which it is kept: it opens under no other */
  close(name: string, content: Uint8Array): Buffer {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(CIPHER, this.#key, nonce).setAAD(Buffer.from(name))
    const text = Buffer.concat([cipher.update(content), cipher.final()])
    return Buffer.concat([nonce, cipher.getAuthTag(), text])
  }

  /** @throws RyoFaasError CLUSTER_KEY_WRONG */
  open(name: string, sealed: Uint8Array): Buffer {
    try {
      const nonce = sealed.subarray(0, NONCE_BYTES)
      const tag = sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES)
      const decipher = createDecipheriv(CIPHER, this.#key, nonce, { authTagLength: TAG_BYTES })
      decipher.setAAD(Buffer.from(name)).setAuthTag(tag)
      return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()])
    } catch (error) {
      throw new RyoFaasError('CLUSTER_KEY_WRONG', 'the other agents of this platform have another cluster key', {
        hint: 'Copy the file of --cluster-key from the machine of another agent, or choose another --project.',
        cause: error,
      })
    }
  }
}
