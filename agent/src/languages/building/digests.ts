/** SHA-256 of files; a file whose size and time have not changed is not read again. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { TakenFile } from './taken-files.ts'

const MOST_KEPT = 50_000

export class Digests {
  readonly #kept = new Map<string, { size: number; mtimeMs: number; digest: string }>()

  async of({ source, size, mtimeMs }: TakenFile): Promise<string> {
    const kept = this.#kept.get(source)
    if (kept && kept.size === size && kept.mtimeMs === mtimeMs) return kept.digest
    const digest = sha256(await readFile(source))
    if (this.#kept.size >= MOST_KEPT) this.#kept.clear()
    this.#kept.set(source, { size, mtimeMs, digest })
    return digest
  }
}

export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}
