/**
 * What the user should know about native code that is included: that it is, and which of it will not load where
 * functions run. These are only notes: whether the function ever loads it is not known in advance.
 */
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { addonFacts, type AddonFacts } from './addon-facts.ts'
import { nativeAddonOf } from './node-packages.ts'
import type { TakenFile } from '../../building/index.ts'

/** Where functions run, as far as known. */
export interface NativeSurroundings {
  /** NODE_MODULE_VERSION of their Node. */
  modules?: string
  /** File names of the shared libraries in their image. */
  libraries?: ReadonlySet<string>
}

const MACHINE_CODE = /\.node$|\.so(?:\.\d+)*$/
const BROWSER_DRIVERS = new Set(['puppeteer', 'puppeteer-core', 'playwright', 'playwright-core'])
const MOST_KEPT = 5000
/** https://nodejs.org/en/about/previous-releases */
const OLDEST_NODE = 20
const NODE_OF_MODULES: Record<string, string> = { 108: '18', 115: '20', 127: '22', 131: '23', 137: '24', 141: '25' }

/** Name of the base on which a function runs that asks for a version of Node. */
export function nodeBase(node: string): string {
  return `node@${node}`
}

export class NativeNotes {
  readonly #surroundings: (base?: string) => Promise<NativeSurroundings>
  readonly #kept = new Map<string, AddonFacts>()
  /** By base. */
  readonly #known = new Map<string | undefined, NativeSurroundings>()

  constructor(surroundings: (base?: string) => Promise<NativeSurroundings>) {
    this.#surroundings = surroundings
  }

  /**
   * @param natives folders of packages by name
   * @param taken everything that goes into the app
   * @param base what it runs on, if not the platform's Node
   */
  async of(natives: ReadonlyMap<string, string>, taken: TakenFile[], base?: string): Promise<string[]> {
    const notes = [...natives].map(([name, folder]) => {
      const within = nativeAddonOf(folder)?.within ?? name
      const where = within === name ? '' : ` in ${within}`
      return `${name} has a native addon${where}: it is not bundled but copied to node_modules, as installed here`
    })
    const code = taken.filter(({ path }) => MACHINE_CODE.test(path))
    if (code.length === 0) return notes
    const { modules, libraries } = await this.#around(base)
    const known = await Promise.all(code.map(async file => ({ file, facts: await this.#facts(file) })))
    const own = known.filter(({ facts }) => !facts.foreign)
    if (modules !== undefined) notes.push(...(await wrongNode(own, taken, modules)))
    if (libraries)
      notes.push(...missingLibraries(own, new Set([...libraries, ...code.map(({ path }) => basename(path))])))
    return notes
  }

  /** @param names of the packages in the app */
  async ofPrograms(names: readonly string[], base?: string): Promise<string[]> {
    const drivers = [...new Set(names)].filter(name => BROWSER_DRIVERS.has(name))
    if (drivers.length === 0) return []
    const { libraries } = await this.#around(base)
    // Only an image has a list of libraries, and it holds nothing but Node.
    if (libraries === undefined) return []
    return drivers.map(
      name =>
        `${name} finds no browser where functions run: connect to one in a container of its own ` +
        `("networks" in deploy.json), or start the platform with --engine process`,
    )
  }

  async #around(base: string | undefined): Promise<NativeSurroundings> {
    const found = this.#known.get(base) ?? (await this.#surroundings(base))
    this.#known.set(base, found)
    return found
  }

  async #facts({ source, size, mtimeMs }: TakenFile): Promise<AddonFacts> {
    const key = `${source}\0${size}\0${mtimeMs}`
    const facts = this.#kept.get(key) ?? (await addonFacts(source))
    if (this.#kept.size >= MOST_KEPT) this.#kept.clear()
    this.#kept.set(key, facts)
    return facts
  }
}

interface Known {
  file: TakenFile
  facts: AddonFacts
}

/** A package may contain builds for several versions of Node; one that fits is enough. */
async function wrongNode(known: Known[], taken: TakenFile[], modules: string): Promise<string[]> {
  const byPackage = new Map<string, AddonFacts[]>()
  for (const { file, facts } of known) {
    if (!file.path.endsWith('.node')) continue
    const name = packageOf(file.path)
    byPackage.set(name, [...(byPackage.get(name) ?? []), facts])
  }
  const notes: string[] = []
  for (const [name, addons] of byPackage) {
    if (addons.some(({ nodeApi }) => nodeApi)) continue
    const builtFor = new Set(addons.flatMap(({ modules: one }) => one ?? []))
    if (builtFor.size === 0) {
      // node-gyp records the version of Node next to what it built.
      const gyp = taken.find(({ path }) => path === `node_modules/${name}/build/config.gypi`)
      const built = gyp && /"node_module_version":\s*"?(\d+)/.exec(await readFile(gyp.source, 'utf8'))?.[1]
      if (built !== undefined) builtFor.add(built)
    }
    const [first] = builtFor
    if (first === undefined || builtFor.has(modules)) continue
    notes.push(
      `${name} will not load: it was built for ${nodeOf(first)}, and functions run on ${nodeOf(modules)}. ` +
        `Install it with the Node that functions run on, or ${orRunOn(first)}`,
    )
  }
  return notes
}

function missingLibraries(known: Known[], there: ReadonlySet<string>): string[] {
  const missing = new Map<string, Set<string>>()
  for (const { file, facts } of known) {
    for (const library of facts.libraries) {
      if (there.has(library)) continue
      const name = packageOf(file.path)
      missing.set(name, (missing.get(name) ?? new Set()).add(library))
    }
  }
  return [...missing].map(
    ([name, libraries]) =>
      `${name} will not load: it needs ${[...libraries].join(', ')}, which the functions' image does not contain. ` +
      `Start the platform with an image that does (--base-image), or with --engine process`,
  )
}

/** `node_modules/@a/b/c.node` → `@a/b`; a file of the function itself is named by its path. */
function packageOf(path: string): string {
  return /^.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? path
}

function nodeOf(modules: string): string {
  const version = NODE_OF_MODULES[modules]
  return version === undefined ? `NODE_MODULE_VERSION ${modules}` : `Node ${version} (NODE_MODULE_VERSION ${modules})`
}

function orRunOn(modules: string): string {
  const version = NODE_OF_MODULES[modules]
  if (version !== undefined && Number(version) >= OLDEST_NODE) return `set "node": "${version}" in deploy.json`
  return 'start the platform on the one it was built for: ryo-faas startFaas --node <its path>'
}
