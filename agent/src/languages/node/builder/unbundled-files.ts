/**
 * Packages that stay outside the bundle are copied to `app/node_modules`, with everything they depend on. A package is
 * at the top unless another version of it already is; then it is nested in the one that needs it.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { RyoFaasError } from '../../../contract/index.ts'
import { readManifest } from './node-packages.ts'
import { unreadable, type ReadableFolders } from './readable-folders.ts'
import type { TakenFile } from '../../building/index.ts'

export interface PlacedPackage {
  name: string
  /** Real path. */
  folder: string
  /** Its folder in the app. */
  at: string
  /** The package that needs it; absent: the code itself. */
  neededBy?: string
}

/**
 * @param roots folders of packages by the name under which the code imports them
 * @param find the folder of a package that code in a folder needs
 * @throws RyoFaasError BUILD_FAILED if one of them needs a package that may not be read
 */
export function placeUnbundled(
  roots: ReadonlyMap<string, string>,
  readable: ReadableFolders,
  find: (name: string, from: string) => string | undefined,
): PlacedPackage[] {
  const placed = new Map<string, PlacedPackage>()
  const place = (name: string, found: string, parent?: PlacedPackage): PlacedPackage | undefined => {
    const folder = readableFolder(name, found, readable)
    const seen = seenFrom(parent?.at, name, placed)
    if (seen?.folder === folder) return undefined
    const at = `${parent && seen ? `${parent.at}/` : ''}node_modules/${name}`
    const item = { name, folder, at, ...(parent && { neededBy: parent.name }) }
    placed.set(at, item)
    return item
  }
  // What the code imports comes first, because only the top is in its reach.
  const open = [...roots].sort(byName).flatMap(([name, folder]) => place(name, folder) ?? [])
  for (let parent = open.shift(); parent !== undefined; parent = open.shift()) {
    const { dependencies, optionalDependencies, peerDependencies } = readManifest(parent.folder)
    for (const needed of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }).sort()) {
      const found = find(needed, parent.folder)
      const item = found === undefined ? undefined : place(needed, found, parent)
      if (item) open.push(item)
    }
  }
  return [...placed.values()]
}

function readableFolder(name: string, found: string, readable: ReadableFolders): string {
  const folder = readable.follow(found, name)
  if (readable.holds(join(folder, 'package.json'))) return folder
  const { text, hint } = unreadable(folder, readable)
  throw new RyoFaasError('BUILD_FAILED', `${name}: ${text}`, { hint })
}

/** The package of that name that Node finds from a folder of the app. */
function seenFrom(
  at: string | undefined,
  name: string,
  placed: ReadonlyMap<string, PlacedPackage>,
): PlacedPackage | undefined {
  for (let from = at; from !== undefined; from = from.includes('/node_modules/') ? parentOf(from) : undefined) {
    const seen = placed.get(`${from}/node_modules/${name}`)
    if (seen) return seen
  }
  return placed.get(`node_modules/${name}`)
}

/** `node_modules/a/node_modules/b` → `node_modules/a` */
function parentOf(at: string): string {
  return at.slice(0, at.lastIndexOf('/node_modules/'))
}

function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1
}

/** Everything in the package but its own `node_modules`. */
export function filesOfPackage({ folder, at }: PlacedPackage): TakenFile[] {
  return filesOf(folder, at)
}

function filesOf(dir: string, prefix: string): TakenFile[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap(entry => {
    const source = join(dir, entry.name)
    const path = `${prefix}/${entry.name}`
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesOf(source, path)
    if (!entry.isFile()) return []
    const { size, mtimeMs, mode } = statSync(source)
    return [{ path, source, executable: (mode & 0o111) !== 0, size, mtimeMs }]
  })
}
