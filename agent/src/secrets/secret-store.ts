/** Secrets of a home: one file each under `<home>/secrets`, mode 0600; never in the state, a log or an image. */
import { readdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { readIfPresent, writeDurably } from '../host/index.ts'

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** `at`: when it was set, in milliseconds since 1970. */
export interface KeptSecret {
  value: string
  at: number
}

/** Where secrets are kept for the agent that leads after this one. */
export interface SecretReplica {
  /** @throws if it was not kept, or that is not known */
  set(name: string, secret: KeptSecret | undefined): Promise<void>
}

export class SecretStore {
  readonly #folder: string
  #replica: SecretReplica | undefined

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

  /** From here on every change goes there first. */
  replicate(replica: SecretReplica): void {
    this.#replica = replica
  }

  /** `null` removes it. */
  async set(name: string, value: string | null): Promise<void> {
    const path = this.#pathOf(name)
    await this.#replica?.set(name, value === null ? undefined : { value, at: Date.now() })
    if (value === null) await rm(path, { force: true })
    else await writeDurably(path, value)
  }

  async all(): Promise<Record<string, KeptSecret>> {
    const values = await this.values(await this.names())
    const kept = await Promise.all(
      Object.entries(values).map(async ([name, value]) => {
        const { mtimeMs } = await stat(this.#pathOf(name))
        return [name, { value, at: mtimeMs }] as const
      }),
    )
    return Object.fromEntries(kept)
  }

  /** These and no others, as another agent had them. */
  async take(secrets: Readonly<Record<string, KeptSecret>>): Promise<void> {
    for (const [name, { value, at }] of Object.entries(secrets)) {
      const path = this.#pathOf(name)
      await writeDurably(path, value)
      await utimes(path, at / 1000, at / 1000)
    }
    for (const name of await this.names()) {
      if (!Object.hasOwn(secrets, name)) await rm(this.#pathOf(name), { force: true })
    }
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
