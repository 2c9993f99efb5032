/**
 * What a build may read, so that no package can copy files of this machine into a function. Invariants:
 *
 * 1. A path is judged with symbolic links resolved.
 * 2. Readable are the folder of deploy.json, packages that the platform installed for it, the `node_modules` folders in
 *    which packages are looked for from there, and what a link in these names: a package of the same workspace.
 * 3. Only links found by resolution count, so a package cannot make more readable by naming a path.
 *
 * Settings are not content: the tsconfig.json that esbuild finds may extend one further up, as in every monorepo.
 */
import { realpathSync } from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'
import { workspaceRootOf } from './locked-project.ts'

const MODULES = `${sep}node_modules${sep}`

/** For one build: look-ups are cached. */
export class ReadableFolders {
  readonly #root: string
  /** Real paths of folders from which packages are looked for. */
  readonly #bases: string[]
  readonly #modules = new Set<string>()
  readonly #followed = new Map<string, string>()
  readonly #linked = new Set<string>()
  readonly #read = new Set<string>()
  #judged = new Map<string, boolean>()
  #workspace: string | undefined

  /**
   * @param rootDir folder of deploy.json, a real path
   * @param installed folder with packages that replaces a missing `node_modules`
   */
  constructor(rootDir: string, installed: string | undefined) {
    this.#root = rootDir
    this.#bases = installed === undefined ? [rootDir] : [rootDir, realpathSync(installed)]
  }

  get root(): string {
    return this.#root
  }

  /** Packages of the workspace to which links led: real paths of their folders. */
  get linked(): ReadonlySet<string> {
    return this.#linked
  }

  /** Folders of the workspace that were read, real paths; not those of installed packages. */
  get read(): ReadonlySet<string> {
    return new Set([...this.#linked, ...[...this.#read].filter(folder => !`${folder}${sep}`.includes(MODULES))])
  }

  /** @param path real, of a file */
  holds(path: string): boolean {
    const folder = dirname(path)
    let holds = this.#judged.get(folder)
    if (holds === undefined) {
      holds = this.#holds(path)
      this.#judged.set(folder, holds)
    }
    if (holds) this.#read.add(folder)
    return holds
  }

  /**
   * Returns the real path of the package. If that is elsewhere in the workspace, it becomes readable.
   * @param found folder of a package as resolution found it in a `node_modules`
   */
  follow(found: string, name: string): string {
    const known = this.#followed.get(found)
    if (known !== undefined) return known
    const real = realpathSync(found)
    this.#followed.set(found, real)
    if (!real.includes(MODULES)) this.#linked.add(real)
    if (this.#holds(join(real, 'package.json'))) return real
    // A whole node_modules may be a link, as in a second worktree of a repository.
    const modules = realpathSync(found.slice(0, -name.length - 1))
    if (basename(modules) === 'node_modules') this.#modules.add(modules)
    return this.admit(real)
  }

  /** @param real folder of a package to which a link led: readable if it is of the workspace */
  admit(real: string): string {
    // Nothing is left to follow.
    this.#followed.set(real, real)
    this.#linked.add(real)
    if (this.#bases.includes(real)) return real
    if (real.startsWith(this.#workspaceRoot() + sep)) this.#bases.push(real)
    this.#judged = new Map()
    return real
  }

  #holds(path: string): boolean {
    if (this.#bases.some(base => path.startsWith(base + sep))) return true
    const at = path.indexOf(MODULES)
    if (at < 0) return false
    const above = path.slice(0, at) + sep
    if (this.#bases.some(base => `${base}${sep}`.startsWith(above))) return true
    return [...this.#modules].some(modules => path.startsWith(modules + sep))
  }

  #workspaceRoot(): string {
    return (this.#workspace ??= workspaceRootOf(this.#root))
  }
}

/** The error for a path that is not readable. */
export function unreadable(path: string, { root }: ReadableFolders): { text: string; hint: string } {
  return {
    text: `${path} is outside ${root} and its packages, so it cannot be part of the function`,
    hint: 'Move it into the folder of deploy.json, or deploy from a folder that contains both. A package linked into node_modules must be one of the same workspace.',
  }
}
