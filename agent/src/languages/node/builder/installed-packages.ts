/**
 * Packages that were installed for a project into a folder of ours. The folder has the shape of the project, with
 * nothing but its manifests: code of the project finds its packages at the place it would have in there, and a link to
 * a package of the project itself leads to the user's folder.
 */
import { realpathSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { findPackage, readManifest } from './node-packages.ts'

export interface FoundPackage {
  /** As resolution found it, or the user's own folder. */
  folder: string
  /** A package of the project. */
  isLinked: boolean
  /** What to ask the bundler for instead of the specifier, and from where. */
  path: string
  resolveDir: string
}

export class InstalledPackages {
  /** Real path of our folder. */
  readonly folder: string
  /** Real path of the project. */
  readonly root: string
  readonly #linked: ReadonlySet<string>

  /**
   * @param root the project, a real path
   * @param linked the project's own packages, relative to it, with `/`
   */
  constructor(folder: string, root: string, linked: readonly string[]) {
    this.folder = realpathSync(folder)
    this.root = root
    this.#linked = new Set(linked)
  }

  /** @param from folder of the code that imports it */
  find(specifier: string, name: string, from: string): FoundPackage | undefined {
    const place = relative(this.root, from)
    const start = place === '..' || place.startsWith(`..${sep}`) ? this.folder : join(this.folder, place)
    const found = findPackage(name, start)
    if (found === undefined) return undefined
    const own = relative(this.folder, realpathSync(found)).split(sep).join('/')
    if (!this.#linked.has(own)) {
      // The folder that holds its `node_modules`.
      const resolveDir = join(found.slice(0, -name.length), '..')
      return { folder: found, isLinked: false, path: specifier, resolveDir }
    }
    const folder = realpathSync(join(this.root, own))
    // A package may import itself by its name, but only if it says what it exports.
    const path = readManifest(folder).exports === undefined ? `.${specifier.slice(name.length) || '/'}` : specifier
    return { folder, isLinked: true, path, resolveDir: folder }
  }
}
