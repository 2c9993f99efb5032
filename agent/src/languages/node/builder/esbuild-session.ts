/**
 * The incremental build of one function. esbuild keeps what it parsed, so a build after an edit parses only what
 * changed. Builds of one session run one after another.
 */
import { join } from 'node:path'
import { context, type BuildContext, type BuildResult, type Loader, type Message } from 'esbuild'
import { RyoFaasError } from '../../../contract/index.ts'
import { TYPES_NAMESPACE } from '../checker/index.ts'
import type { BundleRequest } from './build.ts'
import { buildNote, buildProblem, MISSING } from './build-problems.ts'
import { entryName, entrySource } from './entry-file.ts'
import { httpPlugin } from './http-plugin.ts'
import { otelPlugin } from './otel-plugin.ts'
import type { InstalledPackages } from './installed-packages.ts'
import { installHint } from './locked-project.ts'
import { packageNameOf } from './node-packages.ts'
import { packagesPlugin } from './packages-plugin.ts'
import { bundledPackages, type BundledPackage } from './bundled-packages.ts'
import { BUNDLE_HEAD, PLACE_DEFINES, placesPlugin } from './places-plugin.ts'
import { plainPaths, plainSources } from './plain-paths.ts'
import { ReadableFolders } from './readable-folders.ts'
import { readablePlugin } from './readable-plugin.ts'
import { runtimePlugin } from './runtime-module.ts'
import { typesPlugin } from './types-plugin.ts'
import { UserSettings, type Compile } from './user-settings.ts'
import { sharedWith, UnbundledPackages, type Reason, type UnbundledPackage } from './unbundled-packages.ts'

export interface Bundled {
  code: string
  map: string
  notes: string[]
  /** Packages of the bundle: real folder → name and bytes of their code in it. */
  bundled: Map<string, BundledPackage>
  /** Packages that stayed outside, with all they need. */
  outside: UnbundledPackage[]
  /** Folders of those with native code that the code imports, by name. */
  natives: Map<string, string>
  /** Lone `.node` files: absolute path → place in the app. */
  addons: Map<string, string>
  /** Absolute paths of files that the code names by URL. */
  references: Set<string>
  /** Absolute paths of modules that ask where they are. */
  placed: Set<string>
  /** Missing packages that packages require, by package. */
  absent: Map<string, Set<string>>
  /** What the build may read. */
  readable: ReadableFolders
}

/** An import of a file that is not code gives its text, or its bytes (a `Uint8Array`). */
const LOADERS: Record<string, Loader> = {
  ...Object.fromEntries(
    ['.sql', '.graphql', '.gql', '.html', '.txt', '.md', '.csv'].map(extension => [extension, 'text']),
  ),
  '.wasm': 'binary',
}

type Found = Pick<Bundled, 'addons' | 'references' | 'placed' | 'absent' | 'readable'> & {
  unbundled: UnbundledPackages
}

export class EsbuildSession {
  readonly #request: BundleRequest
  /** What the runtime exports. */
  readonly #runtime: readonly string[]
  readonly #settings: UserSettings
  #context: BuildContext | undefined
  #found: Found
  #installed: InstalledPackages | undefined
  /** Packages that were required but not installed. */
  readonly #absent = new Set<string>()
  #last: Promise<unknown> = Promise.resolve()

  constructor(request: BundleRequest, { runtime, compile }: { runtime: readonly string[]; compile: Compile }) {
    this.#settings = new UserSettings(compile)
    this.#request = request
    this.#runtime = runtime
    this.#found = this.#nothingFound()
  }

  /** @param installed packages in place of a missing `node_modules` */
  build(installed: InstalledPackages | undefined, signal: AbortSignal): Promise<Bundled> {
    const build = this.#last.then(() => this.#build(installed, signal))
    this.#last = build.catch(() => {})
    return build
  }

  /** Waits for the requested builds. */
  async close(): Promise<void> {
    await this.#last
    await this.#context?.dispose()
  }

  async #build(installed: InstalledPackages | undefined, signal: AbortSignal): Promise<Bundled> {
    const context = (this.#context ??= await this.#open())
    this.#installed = installed
    const cancel = () => void context.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    try {
      if (signal.aborted) throw cancelled(this.#request.name)
      return await this.#bundledAlike(context)
    } catch (error) {
      if (signal.aborted) throw cancelled(this.#request.name)
      throw this.#failure(error)
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  }

  /** Again as long as a package is both in the bundle and outside it: each pass leaves out what the last one found. */
  async #bundledAlike(context: BuildContext): Promise<Bundled> {
    const shared = new Map<string, Reason>()
    for (;;) {
      const result = await this.#rebuilt(context, shared)
      const bundled = bundledPackages(result.metafile!, this.#request.packageDir)
      const names = new Map([...bundled].map(([folder, { name }]) => [folder, name]))
      const outside = this.#found.unbundled.place(new Set(names.values()))
      const more = sharedWith(outside, names)
      if (more.length === 0) return this.#bundled(result, { bundled, outside })
      for (const [folder, reason] of more) shared.set(folder, reason)
    }
  }

  /**
   * Packages may require optional packages that are not installed: Node throws when such a line is reached. esbuild
   * fails the build instead, unless the line is in a `try`; then we build once more without what is missing.
   */
  async #rebuilt(context: BuildContext, shared: ReadonlyMap<string, Reason>): Promise<BuildResult> {
    this.#found = this.#nothingFound(shared)
    try {
      return await context.rebuild()
    } catch (error) {
      const missing = missingInPackages(error)
      if (missing.every(specifier => this.#absent.has(specifier))) throw error
      for (const specifier of missing) this.#absent.add(specifier)
      this.#found = this.#nothingFound(shared)
      return context.rebuild()
    }
  }

  #open(): Promise<BuildContext> {
    const { name, packageDir } = this.#request
    return context({
      absWorkingDir: packageDir,
      stdin: {
        contents: entrySource(this.#request, '.'),
        resolveDir: packageDir,
        sourcefile: `${entryName(name)}.ts`,
        loader: 'ts',
      },
      outfile: join(packageDir, `${entryName(name)}.mjs`),
      bundle: true,
      write: false,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      // The default: what tsconfig.json says comes first, except "preserve", which means this to Next and others.
      jsx: 'automatic',
      sourcemap: 'linked',
      sourcesContent: false,
      legalComments: 'none',
      metafile: true,
      logLevel: 'silent',
      banner: { js: BUNDLE_HEAD },
      define: PLACE_DEFINES,
      loader: LOADERS,
      plugins: [
        readablePlugin(() => this.#found.readable),
        typesPlugin(),
        httpPlugin(),
        otelPlugin(packageDir),
        runtimePlugin(this.#runtime, packageDir),
        packagesPlugin({
          packageDir,
          installed: () => this.#installed,
          readable: () => this.#found.readable,
          unbundled: () => this.#found.unbundled,
          isAbsent: specifier => this.#absent.has(specifier),
          onAbsent: (specifier, importer) => noteAbsent(this.#found.absent, specifier, importer),
          onAddon: (source, place) => this.#found.addons.set(source, place),
        }),
        placesPlugin({
          packageDir,
          settings: this.#settings,
          onReference: path => this.#found.references.add(path),
          onPlaced: path => this.#found.placed.add(path),
          onLocated: (specifier, importer) => this.#found.unbundled.locate(specifier, importer),
        }),
      ],
    })
  }

  #bundled({ outputFiles, warnings }: BuildResult, packages: Pick<Bundled, 'bundled' | 'outside'>): Bundled {
    const text = (end: string) => outputFiles!.find(({ path }) => path.endsWith(end))!.text
    const { unbundled, ...found } = this.#found
    return {
      ...found,
      ...packages,
      natives: unbundled.natives,
      code: plainPaths(text('.mjs')),
      map: plainSources(text('.map')),
      notes: [
        ...warnings.filter(isNotAboutTypes).map(buildNote),
        ...absentNotes(found.absent),
        ...unbundled.unmatched.map(pattern => `"unbundled" has ${pattern}, but no package of that name is imported`),
      ],
    }
  }

  #nothingFound(shared: ReadonlyMap<string, Reason> = new Map()): Found {
    const { rootDir, packageDir, unbundled: asked = [] } = this.#request
    const installed = this.#installed
    const readable = new ReadableFolders(rootDir, installed?.folder)
    const unbundled = new UnbundledPackages({ rootDir, packageDir, asked, installed, readable, shared })
    return { unbundled, addons: new Map(), references: new Set(), placed: new Set(), absent: new Map(), readable }
  }

  #failure(error: unknown): RyoFaasError {
    const messages = (error as { errors?: Message[] }).errors
    if (!Array.isArray(messages)) return RyoFaasError.from(error)
    const problems = messages.map(message => buildProblem(message, this.#request, name => this.#installHint(name)))
    const count = problems.length === 1 ? '1 error' : `${problems.length} errors`
    return new RyoFaasError('BUILD_FAILED', `${this.#request.name} could not be bundled (${count})`, {
      problems,
      cause: error,
    })
  }

  #installHint(specifier: string): string | undefined {
    const name = packageNameOf(specifier)
    if (name === undefined) return undefined
    return installHint(name, this.#request.packageDir, this.#request.rootDir)
  }
}

/** Specifiers of packages that files in `node_modules` name and that were not found. */
function missingInPackages(error: unknown): string[] {
  const messages = (error as { errors?: Message[] }).errors ?? []
  return messages.flatMap(({ text, location }) => {
    const specifier = MISSING.exec(text)?.[1]
    const inPackage = location !== null && location.file.split(/[\\/]/).includes('node_modules')
    return inPackage && specifier !== undefined && packageNameOf(specifier) !== undefined ? [specifier] : []
  })
}

/** Our own imports for metadata name types, which are not there at run time. */
function isNotAboutTypes({ id, location }: Message): boolean {
  return id !== 'import-is-undefined' || location?.lineText.includes(TYPES_NAMESPACE) !== true
}

function noteAbsent(absent: Map<string, Set<string>>, specifier: string, importer: string): void {
  const from = /^.*node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(importer)?.[1] ?? importer
  absent.set(from, (absent.get(from) ?? new Set()).add(specifier))
}

function absentNotes(absent: Map<string, Set<string>>): string[] {
  return [...absent].map(
    ([name, missing]) =>
      `${name} may require ${[...missing].sort().join(', ')}, which is not installed: doing so throws MODULE_NOT_FOUND`,
  )
}

export function cancelled(name: string): RyoFaasError {
  return new RyoFaasError('CANCELLED', `building ${name} was cancelled`)
}
