/** Secrets of a home: one file each under `<home>/secrets`, mode 0600; never in the state, a log or an image. */
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readIfPresent, writeDurably } from '../host/index.ts'

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

export class SecretStore {
  readonly #folder: string

  constructor(home: string) {
    this.#folder = join(home, 'secrets')
  }

  async names(): Promise<string[]> {
    const names = await readdir(this.#folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return []
      throw error
    })
    return names.filter(name => NAME.test(name)).sort()
  }

  /** `null` removes it. */
  async set(name: string, value: string | null): Promise<void> {
    const path = this.#pathOf(name)
    if (value === null) await rm(path, { force: true })
    else await writeDurably(path, value)
  }

  /** The values of those `names` that are set. */
  async values(names: readonly string[]): Promise<Record<string, string>> {
    const entries = await Promise.all(names.map(async name => [name, await readIfPresent(this.#pathOf(name))] as const))
    return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined))
  }

  /** Whether one of `names` was set after this time (ISO 8601). */
  async areNewerThan(names: readonly string[], time: string): Promise<boolean> {
    const times = await Promise.all(names.map(name => stat(this.#pathOf(name)).catch(() => undefined)))
    return times.some(found => found !== undefined && found.mtimeMs > Date.parse(time))
  }

  #pathOf(name: string): string {
    if (!NAME.test(name)) throw new TypeError(`not a name of a secret: ${name}`)
    return join(this.#folder, name)
  }
}
