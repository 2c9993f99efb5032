/**
 * What agents write on the bus is sealed with the key of their cluster: who else uses that server reads and forges none of
 * it.
 */
import { hkdfSync, randomBytes } from 'node:crypto'
import { RyoFaasError } from '../contract/index.ts'
import { SealedBox } from '../host/index.ts'

const KEY_BYTES = 32

/** Text of the file of a new key. */
export function newClusterKey(): string {
  return randomBytes(KEY_BYTES).toString('base64url')
}

export class Seal {
  readonly #box: SealedBox
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
    this.#box = new SealedBox(secret, 'ryo-faas seal')
    this.peerKey = Buffer.from(hkdfSync('sha256', secret, '', 'ryo-faas peers', KEY_BYTES))
  }

  /** @param name under which it is kept: it opens under no other */
  close(name: string, content: Uint8Array): Buffer {
    return this.#box.close(name, content)
  }

  /** @throws RyoFaasError CLUSTER_KEY_WRONG */
  open(name: string, sealed: Uint8Array): Buffer {
    const content = this.#box.open(name, sealed)
    if (content !== undefined) return content
    throw new RyoFaasError('CLUSTER_KEY_WRONG', 'the other agents of this platform have another cluster key', {
      hint: 'Copy the file of --cluster-key from the machine of another agent, or choose another --project.',
    })
  }
}
