/**
 * Packages with native addons stay outside the bundle and are copied to `app/node_modules`, with everything they depend
 * on. A package is at the top unless another version of it already is; then it is nested in the one that needs it.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { RyoFaasError } from '../../../contract/index.ts'
import { findPackage, readManifest } from './node-packages.ts'
import { unreadable, type ReadableFolders } from './readable-folders.ts'
import type { TakenFile } from './taken-files.ts'

/**
 * @param natives folders of packages by the name under which the code imports them
 * @throws RyoFaasError BUILD_FAILED if one of them needs a package that may not be read
 */
export function nativePackageFiles(natives: ReadonlyMap<string, string>, readable: ReadableFolders): TakenFile[] {
  const placed = new Map<string, string>()
  const place = (name: string, found: string, parent: string): void => {
    const folder = readable.follow(found, name)
    if (!readable.holds(join(folder, 'package.json'))) {
      const { text, hint } = unreadable(folder, readable)
      throw new RyoFaasError('BUILD_FAILED', `${name}: ${text}`, { hint })
    }
    const top = `node_modules/${name}`
    const nested = `${parent}${top}`
    if (placed.get(top) === folder || placed.get(nested) === folder) return
    const at = placed.has(top) ? nested : top
    placed.set(at, folder)
    const { dependencies, optionalDependencies, peerDependencies } = readManifest(folder)
    for (const needed of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }).sort()) {
      const dependency = findPackage(needed, folder)
      if (dependency !== undefined) place(needed, dependency, `${at}/`)
    }
  }
  for (const [name, folder] of [...natives].sort(([a], [b]) => (a < b ? -1 : 1))) place(name, folder, '')
  return [...placed].flatMap(([at, folder]) => filesOf(folder, at))
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
