/** Built packages as images: a function runs from its folder, `<folder>/<route>/<hash>/app`. */
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { ImageInfo } from '../engine.ts'

export async function packageImages(folder: string): Promise<ImageInfo[]> {
  const routes = await readdir(folder).catch(() => [])
  const found = await Promise.all(
    routes.map(async route => {
      const hashes = await readdir(join(folder, route)).catch(() => [])
      return Promise.all(hashes.map(hash => describeFolder(join(folder, route, hash, 'app'), route)))
    }),
  )
  return found.flat().filter(image => image !== undefined)
}

async function describeFolder(dir: string, route: string): Promise<ImageInfo | undefined> {
  const info = await stat(dir).catch(() => undefined)
  if (!info) return undefined
  const files = await readdir(dir, { recursive: true })
  const sizes = await Promise.all(
    files.map(async file => (await stat(join(dir, file)).catch(() => undefined))?.size ?? 0),
  )
  const sizeBytes = sizes.reduce((sum, size) => sum + size, 0)
  return { ref: dir, route, hash: basename(dirname(dir)), sizeBytes, createdAt: info.mtime.toISOString() }
}
