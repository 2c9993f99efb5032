/**
 * Contents by their SHA-256, as files, and small records that name them. A content is there complete or not at all: it is
 * written to a temporary name and renamed once its digest is known.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** As manifests of images name a content. */
export interface Descriptor {
  mediaType: string
  /** `sha256:` and 64 hexadecimal digits. */
  digest: string
  size: number
}

export class BlobStore {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** @param digest `sha256:…` */
  pathOf(digest: string): string {
    return join(this.#folder, digest.slice('sha256:'.length))
  }

  async has(digest: string): Promise<boolean> {
    return (await stat(this.pathOf(digest)).catch(() => undefined)) !== undefined
  }

  async add(mediaType: string, content: NodeJS.ReadableStream, signal?: AbortSignal): Promise<Descriptor> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const temporary = join(this.#folder, `${randomBytes(6).toString('hex')}.tmp`)
    const hash = createHash('sha256')
    let size = 0
    const measure = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk)
        size += chunk.length
        done(null, chunk)
      },
    })
    try {
      await pipeline(content, measure, createWriteStream(temporary, { mode: 0o600 }), { ...(signal && { signal }) })
      const digest = `sha256:${hash.digest('hex')}`
      await rename(temporary, this.pathOf(digest))
      return { mediaType, digest, size }
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }

  addJson(mediaType: string, value: unknown): Promise<Descriptor> {
    return this.add(mediaType, Readable.from([Buffer.from(JSON.stringify(value))]))
  }

  /** Removes every content that is not named. */
  async keepOnly(digests: ReadonlySet<string>): Promise<void> {
    const names = await readdir(this.#folder).catch(() => [])
    const unnamed = names.filter(name => !digests.has(`sha256:${name}`))
    await Promise.all(unnamed.map(name => rm(join(this.#folder, name), { force: true })))
  }
}
