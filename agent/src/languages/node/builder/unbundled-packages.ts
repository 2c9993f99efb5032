/**
 * Decides which packages stay outside the bundle of one function, during one pass of the bundler. Invariants:
 *
 * 1. The decision depends on the packages as installed, never on the order in which imports are met or on earlier builds.
 * 2. Bundle and unbundled packages share one copy of a package that both use, as in Node: a second one would have its
 *    own state, and `instanceof` would fail between them. What is needed by an unbundled package is therefore not
 *    bundled either; a pass finds out what that is, and the next one knows.
 * 3. Only what the code can find is left outside: the version of a package that is at the top of `app/node_modules`.
 */
import { dirname } from 'node:path'
import { RyoFaasError } from '../../../contract/index.ts'
import type { InstalledPackages } from './installed-packages.ts'
import { KNOWN_PACKAGES, matchesName } from './known-packages.ts'
import { installHint, manifestDirOf } from './locked-project.ts'
import { findPackage, nativeAddonOf, packageNameOf, packageOfFile, readManifest } from './node-packages.ts'
import type { ReadableFolders } from './readable-folders.ts'
import { placeUnbundled, type PlacedPackage } from './unbundled-files.ts'

/** Found by their own means in every copy: our own runtime, and an API that keeps its state in a global. */
const NEVER_SHARED = /^@ryo-faas\/|^@opentelemetry\/api$/

const ASKED: Reason = { why: 'is in "unbundled" of deploy.json' }

export interface UnbundledOptions {
  rootDir: string
  packageDir: string
  /** Names and groups of names (`@scope/*`) from deploy.json. */
  asked: readonly string[]
  /** Packages in place of a `node_modules` that the package does not have. */
  installed: InstalledPackages | undefined
  readable: ReadableFolders
  /** Real folders of packages that an earlier pass found to be outside too, with the reason. */
  shared: ReadonlyMap<string, Reason>
}

export interface Reason {
  /** Continues “x is not bundled: it …”. */
  why: string
  /** Only because this other package needs it. */
  neededBy?: string
}

export interface UnbundledPackage extends PlacedPackage, Reason {
  native: boolean
}

type Root = { found: string; reason: Reason }

export class UnbundledPackages {
  readonly #options: UnbundledOptions
  /** By folder as resolution found it. */
  readonly #judged = new Map<string, Reason | undefined>()
  readonly #used = new Map<string, Root>()
  readonly #matched = new Set<string>()

  constructor(options: UnbundledOptions) {
    this.#options = options
  }

  /** Names and folders of those with native code. */
  get natives(): Map<string, string> {
    return new Map([...this.#used].filter(([, { found }]) => isNative(found)).map(([name, { found }]) => [name, found]))
  }

  /** Why an imported package stays outside; `undefined`: it is bundled. */
  whyNot(name: string, found: string): Reason | undefined {
    const key = `${name}\0${found}`
    if (!this.#judged.has(key)) this.#judged.set(key, this.#judge(name, found))
    return this.#judged.get(key)
  }

  /** The code imports it, or asks for its place. The version that the package itself would get wins. */
  use(name: string, found: string, reason: Reason): void {
    const known = this.#used.get(name)
    const top = this.#findTop(name)
    if (known === undefined || found === top || (known.found !== top && found < known.found)) {
      this.#used.set(name, { found, reason })
    }
  }

  /**
   * A file looks for a module itself. Files of packages count if the module is theirs, or that of a package
   * they depend on: many ask for others just to see whether they are installed.
   */
  locate(specifier: string, importer: string): void {
    const owner = packageOfFile(importer)
    const isOwn = owner !== undefined && /^\.\.?\//.test(specifier)
    const name = isOwn ? owner.name : packageNameOf(specifier)
    if (name === undefined || NEVER_SHARED.test(name)) return
    if (owner !== undefined && name !== owner.name) {
      const { dependencies, optionalDependencies, peerDependencies } = readManifest(owner.folder)
      if (!(name in { ...dependencies, ...optionalDependencies, ...peerDependencies })) return
    }
    const found = name === owner?.name ? owner.folder : (this.#find(name, dirname(importer)) ?? this.#findTop(name))
    if (found !== undefined) this.use(name, found, { why: 'is looked for in node_modules at run time' })
  }

  /**
   * Where everything is placed in the app.
   * @param bundled names of the packages in the bundle
   * @throws RyoFaasError BUILD_FAILED if a package named in deploy.json is not installed, or may not be read
   */
  place(bundled: ReadonlySet<string>): UnbundledPackage[] {
    const roots = new Map([...this.#loadedByName(bundled), ...this.#asked(), ...this.#used])
    const folders = new Map([...roots].map(([name, { found }]) => [name, found]))
    return placeUnbundled(folders, this.#options.readable, (name, from) => this.#find(name, from)).map(placed => {
      const { name, folder, neededBy } = placed
      const reason = neededBy === undefined ? roots.get(name)!.reason : becauseOf(neededBy)
      return { ...placed, ...reason, native: isNative(folder) }
    })
  }

  /** Patterns of deploy.json that met no package. */
  get unmatched(): string[] {
    return this.#options.asked.filter(pattern => pattern.includes('*') && !this.#matched.has(pattern))
  }

  #judge(name: string, found: string): Reason | undefined {
    const { readable, asked, shared } = this.#options
    const folder = readable.follow(found, name)
    const within = nativeAddonOf(folder)?.within
    if (within !== undefined) return { why: `has a native addon${within === name ? '' : ` in ${within}`}` }
    // A second version is not at the top of `node_modules`, where the bundle would find it.
    const top = this.#findTop(name)
    if (top !== undefined && readable.follow(top, name) !== folder) return undefined
    const pattern = asked.find(each => matchesName(name, each))
    if (pattern !== undefined) {
      this.#matched.add(pattern)
      return ASKED
    }
    const known = KNOWN_PACKAGES.find(each => each.loadedBy === undefined && matchesName(name, each.name))
    if (known) return { why: known.why }
    return shared.get(folder)
  }

  #asked(): [string, Root][] {
    const { asked, packageDir, rootDir } = this.#options
    return asked
      .filter(pattern => !pattern.includes('*'))
      .map(name => {
        const found = this.#findTop(name)
        if (found !== undefined) return [name, { found, reason: ASKED }]
        throw new RyoFaasError('BUILD_FAILED', `"unbundled" names ${name}, which is not installed`, {
          hint: installHint(name, packageDir, rootDir),
        })
      })
  }

  #loadedByName(bundled: ReadonlySet<string>): [string, Root][] {
    const { packageDir, rootDir } = this.#options
    const dependencies = Object.keys(readManifest(manifestDirOf(packageDir, rootDir)).dependencies ?? {})
    return KNOWN_PACKAGES.flatMap(({ name: pattern, why, loadedBy }) => {
      if (!loadedBy?.some(loader => bundled.has(loader) || this.#used.has(loader))) return []
      return dependencies.flatMap(name => {
        const found = matchesName(name, pattern) ? this.#findTop(name) : undefined
        return found === undefined ? [] : [[name, { found, reason: { why } }] satisfies [string, Root]]
      })
    })
  }

  #findTop(name: string): string | undefined {
    return this.#find(name, this.#options.packageDir)
  }

  /** As the bundler finds it for code in a folder. */
  #find(name: string, from: string): string | undefined {
    const near = findPackage(name, from)
    if (near !== undefined) return near
    const elsewhere = this.#options.installed?.find(name, name, from)
    return elsewhere?.isLinked ? this.#options.readable.admit(elsewhere.folder) : elsewhere?.folder
  }
}

function becauseOf(neededBy: string): Reason {
  return { why: `is needed by ${neededBy}, which is not bundled`, neededBy }
}

function isNative(folder: string): boolean {
  return nativeAddonOf(folder) !== undefined
}

/** Folders of bundled packages that are also outside, with the reason, for the next pass. */
export function sharedWith(
  unbundled: readonly UnbundledPackage[],
  bundled: ReadonlyMap<string, string>,
): [folder: string, reason: Reason][] {
  return unbundled.flatMap(({ name, folder, at, why, neededBy }) =>
    at === `node_modules/${name}` && bundled.get(folder) === name && !NEVER_SHARED.test(name)
      ? [[folder, { why, ...(neededBy !== undefined && { neededBy }) }]]
      : [],
  )
}
