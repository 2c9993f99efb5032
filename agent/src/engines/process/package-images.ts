/** Built packages as images: a function runs from its folder, `<folder>/<route>/<hash>/app`. */
import { readdir, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { ImageInfo, Images } from '../capabilities.ts'
import type { BuiltPackage } from '../engine.ts'
import { requirePackage } from '../package-folder.ts'

export class PackageImages implements Images {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  refOf(built: BuiltPackage): string {
    return built.dir
  }

  async build(built: BuiltPackage): Promise<string> {
    await requirePackage(built)
    return built.dir
  }

  async list(): Promise<ImageInfo[]> {
    const routes = await readdir(this.#folder).catch(() => [])
    const found = await Promise.all(
      routes.map(async route => {
        const hashes = await readdir(join(this.#folder, route)).catch(() => [])
        return Promise.all(hashes.map(hash => describeFolder(join(this.#folder, route, hash, 'app'), route)))
      }),
    )
    return found.flat().filter(image => image !== undefined)
  }

  async remove(ref: string): Promise<void> {
    await rm(dirname(ref), { recursive: true, force: true })
  }
}

/** Nothing if it is not there, or goes while it is looked at: a deploy that is undone, another that begins again. */
async function describeFolder(dir: string, route: string): Promise<ImageInfo | undefined> {
  const info = await stat(dir).catch(() => undefined)
  if (!info) return undefined
  const files = await readdir(dir, { recursive: true }).catch(() => undefined)
  if (!files) return undefined
  const sizes = await Promise.all(
    files.map(async file => (await stat(join(dir, file)).catch(() => undefined))?.size ?? 0),
  )
  const sizeBytes = sizes.reduce((sum, size) => sum + size, 0)
  return { ref: dir, route, hash: basename(dirname(dir)), sizeBytes, createdAt: info.mtime.toISOString() }
}
