/**
 * What belongs to a container from the pool on this machine, `<folder>/<its id in the pool>/`: its code, its secrets,
 * and who it has become, because the labels of a container cannot be changed. Invariants:
 *
 * 1. A container is an instance if its folder has a record and no pipe: the pipe is removed when nothing can go wrong
 *    any more but the function itself. Every other one is nobody's.
 * 2. Only this class writes there; what it has read it knows.
 */
import { randomBytes } from 'node:crypto'
import { copyFile, chmod, mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { readIfPresent, writeAtomically } from '../../host/index.ts'
import { makeFifo } from '../pool/fifo.ts'
import { makeFolder } from '../pool/place-package.ts'
import type { PoolSize } from '../pool/pool-size.ts'

/** Which instance a container is. */
export interface Identity {
  id: string
  route: string
  version: number
  /** It comes from the pool, and became this instance then. */
  takenAt?: string | undefined
}

const Record = z.object({
  id: z.string(),
  route: z.string(),
  version: z.int(),
  takenAt: z.string(),
})

/** In the code folder, until the instance has them. */
export const WAITER_FILES = { waiter: '.ryo-faas-wait.mjs', runtime: '.ryo-faas-runtime.cjs' }
export const PIPE_FILE = '.ryo-faas-hand-over'

export class PoolFolders {
  readonly #folder: string
  readonly #records = new Map<string, z.infer<typeof Record>>()
  #reading: Promise<void> | undefined

  constructor(home: string) {
    this.#folder = join(home, 'run', 'pool')
  }

  codeFolder(poolId: string): string {
    return join(this.#folder, poolId, 'app')
  }

  secretsFolder(poolId: string): string {
    return join(this.#folder, poolId, 'secrets')
  }

  pipe(poolId: string): string {
    return join(this.codeFolder(poolId), PIPE_FILE)
  }

  /** Folders for a container that waits, with what it runs. @returns its id in the pool */
  async make(files: Pick<PoolSize, keyof typeof WAITER_FILES>): Promise<string> {
    const poolId = randomBytes(5).toString('hex')
    await mkdir(join(this.#folder, poolId), { recursive: true, mode: 0o700 })
    await Promise.all([this.codeFolder(poolId), this.secretsFolder(poolId)].map(makeFolder))
    const copy = async (what: keyof typeof WAITER_FILES) => {
      const file = join(this.codeFolder(poolId), WAITER_FILES[what])
      await copyFile(files[what], file)
      await chmod(file, 0o644)
    }
    await Promise.all([copy('waiter'), copy('runtime'), makeFifo(this.pipe(poolId))])
    return poolId
  }

  /** What it ran while it waited. */
  async removeWaiter(poolId: string): Promise<void> {
    await Promise.all(Object.values(WAITER_FILES).map(name => rm(join(this.codeFolder(poolId), name))))
  }

  /** The instance that a container has become. */
  async identityOf(poolId: string): Promise<Identity | undefined> {
    await this.read()
    return this.#records.get(poolId)
  }

  /** @returns the container's id in the pool */
  async poolIdOf(id: string): Promise<string | undefined> {
    await this.read()
    return [...this.#records].find(([, record]) => record.id === id)?.[0]
  }

  async save(poolId: string, identity: Omit<Identity, 'takenAt'>, takenAt: string): Promise<void> {
    const { id, route, version } = identity
    const record = { id, route, version, takenAt }
    this.#records.set(poolId, record)
    await writeAtomically(this.#recordFile(poolId), JSON.stringify(record))
  }

  /** After its container. */
  async remove(poolId: string): Promise<void> {
    this.#records.delete(poolId)
    await rm(join(this.#folder, poolId), { recursive: true, force: true })
  }

  /** Also those that nobody knows of. */
  async all(): Promise<string[]> {
    return readdir(this.#folder).catch(() => [])
  }

  async removeAll(): Promise<void> {
    this.#records.clear()
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** What an earlier agent wrote. */
  read(): Promise<void> {
    return (this.#reading ??= (async () => {
      for (const poolId of await this.all()) {
        if ((await stat(this.pipe(poolId)).catch(() => undefined)) !== undefined) continue
        const record = Record.safeParse(parsed(await readIfPresent(this.#recordFile(poolId))))
        if (record.success && !this.#records.has(poolId)) this.#records.set(poolId, record.data)
      }
    })())
  }

  #recordFile(poolId: string): string {
    return join(this.#folder, poolId, 'instance.json')
  }
}

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}
