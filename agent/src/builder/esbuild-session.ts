/**
 * One function's standing build. esbuild keeps what it parsed, so that a build after an edit parses only what changed.
 * Builds of one session run one after the other.
 */
import { join } from 'node:path'
import { context, type BuildContext, type BuildResult, type Message } from 'esbuild'
import { RyoFaasError } from '../contract/index.ts'
import type { BundleRequest } from './build.ts'
import { buildNote, buildProblem } from './build-problems.ts'
import { entryName, entrySource } from './entry-file.ts'
import { httpPlugin } from './http-plugin.ts'
import { otelPlugin } from './otel-plugin.ts'
import { packageNameOf, readManifest } from './node-packages.ts'
import { packagesPlugin } from './packages-plugin.ts'
import { BUNDLE_HEAD, PLACE_DEFINES, placesPlugin } from './places-plugin.ts'
import { plainPaths, plainSources } from './plain-paths.ts'
import { ReadableFolders } from './readable-folders.ts'
import { readablePlugin } from './readable-plugin.ts'
import { runtimePlugin } from './runtime-module.ts'

export interface Bundled {
  code: string
  map: string
  notes: string[]
  /** Folders of packages that stayed outside, by name. */
  natives: Map<string, string>
  /** Lone `.node` files: absolute path → place in the app. */
  addons: Map<string, string>
  /** Absolute paths of files that the code names by URL. */
  references: Set<string>
  /** What the build may read. */
  readable: ReadableFolders
}

type Found = Pick<Bundled, 'natives' | 'addons' | 'references' | 'readable'>

export class EsbuildSession {
  readonly #request: BundleRequest
  readonly #runtime: string
  #context: BuildContext | undefined
  #found: Found
  #installed: string | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(request: BundleRequest, runtime: string) {
    this.#request = request
    this.#runtime = runtime
    this.#found = nothingFound(request.rootDir, undefined)
  }

  /** @param installed folder of packages that stand in for a missing `node_modules` */
  build(installed: string | undefined, signal: AbortSignal): Promise<Bundled> {
    const build = this.#last.then(() => this.#build(installed, signal))
    this.#last = build.catch(() => {})
    return build
  }

  /** Lets what has been asked for finish. */
  async close(): Promise<void> {
    await this.#last
    await this.#context?.dispose()
  }

  async #build(installed: string | undefined, signal: AbortSignal): Promise<Bundled> {
    const context = (this.#context ??= await this.#open())
    this.#found = nothingFound(this.#request.rootDir, installed)
    this.#installed = installed
    const cancel = () => void context.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    try {
      if (signal.aborted) throw cancelled(this.#request.name)
      return this.#bundled(await context.rebuild())
    } catch (error) {
      if (signal.aborted) throw cancelled(this.#request.name)
      throw this.#failure(error)
    } finally {
      signal.removeEventListener('abort', cancel)
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
      sourcemap: 'linked',
      sourcesContent: false,
      legalComments: 'none',
      logLevel: 'silent',
      banner: { js: BUNDLE_HEAD },
      define: PLACE_DEFINES,
      plugins: [
        readablePlugin(() => this.#found.readable),
        httpPlugin(),
        otelPlugin(packageDir),
        runtimePlugin(this.#runtime, packageDir),
        packagesPlugin({
          packageDir,
          installed: () => this.#installed,
          readable: () => this.#found.readable,
          onNative: (name, folder) => this.#found.natives.set(name, folder),
          onAddon: (source, place) => this.#found.addons.set(source, place),
        }),
        placesPlugin(packageDir, path => this.#found.references.add(path)),
      ],
    })
  }

  #bundled({ outputFiles, warnings }: BuildResult): Bundled {
    const text = (end: string) => outputFiles!.find(({ path }) => path.endsWith(end))!.text
    return {
      ...this.#found,
      code: plainPaths(text('.mjs')),
      map: plainSources(text('.map')),
      notes: warnings.map(buildNote),
    }
  }

  #failure(error: unknown): RyoFaasError {
    const messages = (error as { errors?: Message[] }).errors
    if (!Array.isArray(messages)) return RyoFaasError.from(error)
    const problems = messages.map(message => buildProblem(message, this.#request, name => this.#installHint(name)))
    const count = problems.length === 1 ? 'an error' : `${problems.length} errors`
    return new RyoFaasError('BUILD_FAILED', `${this.#request.name} could not be bundled: ${count}`, {
      problems,
      cause: error,
    })
  }

  #installHint(specifier: string): string | undefined {
    const name = packageNameOf(specifier)
    if (name === undefined) return undefined
    const { packageDir } = this.#request
    const { dependencies } = readManifest(packageDir)
    return `Run: cd ${packageDir} && npm install${dependencies && name in dependencies ? '' : ` ${name}`}`
  }
}

function nothingFound(rootDir: string, installed: string | undefined): Found {
  const readable = new ReadableFolders(rootDir, installed)
  return { natives: new Map(), addons: new Map(), references: new Set(), readable }
}

export function cancelled(name: string): RyoFaasError {
  return new RyoFaasError('CANCELLED', `building ${name} was cancelled`)
}
