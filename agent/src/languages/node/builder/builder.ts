/**
 * Builds a handler and its package into one self-contained folder: a bundle and the files it reads. Invariants:
 *
 * 1. The user's folder is only read.
 * 2. The hash covers everything the function can see at run time and nothing else: no absolute path, no time. The same
 *    package gives the same hash in every folder and on every machine.
 * 3. Nothing is written before `write`, and then completely or not at all.
 */
import { lstat, realpath } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { codeHashOf, RyoFaasError } from '../../../contract/index.ts'
import {
  Digests,
  globbedFiles,
  isReadAtRunTime,
  packageFiles,
  referencedFile,
  sha256,
  writeVersionFolder,
  type TakenFile,
} from '../../building/index.ts'
import type { Bundle } from '../../language.ts'
import { bundleFacts } from './bundle-facts.ts'
import type { BundleRequest } from './build.ts'
import { entryName, entrySource } from './entry-file.ts'
import { cancelled, EsbuildSession, type Bundled } from './esbuild-session.ts'
import { NativeNotes, nodeBase, type NativeSurroundings } from './native-notes.ts'
import type { InstalledPackages } from './installed-packages.ts'
import { PackageInstaller } from './package-install.ts'
import { outsideFiles } from './outside-files.ts'
import { runtimeModule, type RuntimeModule } from './runtime-module.ts'
import { filesOfPackage } from './unbundled-files.ts'
import { unfoundReads } from './unfound-reads.ts'
import type { Compile } from './user-settings.ts'

/** A session keeps its parsed files in memory: the limit for that. */
const MOST_SESSIONS = 8

export interface BuilderOptions {
  /** Folder of the package `@ryo-faas/runtime`, or of its compiled or source files. */
  runtimeDir: string
  /** Where packages of functions with a lock file but no `node_modules` are installed. */
  cacheDir: string
  /** Environment of the agent: npm gets only what it needs. */
  environment: NodeJS.ProcessEnv
  /** Where functions run, as far as known. Called when native code is included. */
  surroundings?: (base?: string) => Promise<NativeSurroundings>
  /** Compiles files with decorators; default: here, where it loads the compiler. */
  compile?: Compile
  /** The program `npm`; default: the one on the path, like the other package managers. */
  npmPath?: string
}

export class Builder {
  readonly #options: BuilderOptions
  readonly #installer: PackageInstaller
  readonly #digests = new Digests()
  readonly #nativeNotes: NativeNotes
  readonly #sessions = new Map<string, EsbuildSession>()
  #runtime: Promise<RuntimeModule> | undefined

  constructor(options: BuilderOptions) {
    this.#options = options
    this.#installer = new PackageInstaller({ ...options, npmPath: options.npmPath ?? 'npm' })
    this.#nativeNotes = new NativeNotes(options.surroundings ?? (() => Promise.resolve({})))
  }

  /**
   * Where the packages are of a function without `node_modules`; they are installed if need be.
   * @throws RyoFaasError BUILD_FAILED
   */
  async packagesOf(source: Pick<BundleRequest, 'rootDir' | 'packageDir'>): Promise<InstalledPackages | undefined> {
    const [rootDir, packageDir] = await Promise.all([realpath(source.rootDir), realpath(source.packageDir)])
    return this.#installer.install(packageDir, rootDir)
  }

  async bundle(request: BundleRequest, signal: AbortSignal): Promise<Bundle> {
    if (signal.aborted) throw cancelled(request.name)
    try {
      return await this.#bundle(await withRealPaths(request), signal)
    } catch (error) {
      throw RyoFaasError.from(error, isFileError(error) ? 'BUILD_FAILED' : 'INTERNAL')
    }
  }

  async close(): Promise<void> {
    this.#installer.close()
    const sessions = [...this.#sessions.values()]
    this.#sessions.clear()
    await Promise.all(sessions.map(session => session.close()))
  }

  async #bundle(request: BundleRequest, signal: AbortSignal): Promise<Bundle> {
    const { packageDir, rootDir, files, node } = request
    const base = node === undefined ? undefined : nodeBase(node)
    const installed = await untilAborted(this.#installer.install(packageDir, rootDir), request.name, signal)
    this.#runtime ??= runtimeModule(this.#options.runtimeDir)
    const runtime = await this.#runtime
    const [bundled, own, globbed] = await Promise.all([
      this.#session(request, runtime.names).build(installed, signal),
      packageFiles(packageDir),
      globbedFiles(packageDir, files),
    ])
    const name = entryName(request.name)
    const entry = `${name}.mjs`
    const written = new Map([[entry, bundled.code], [`${entry}.map`, bundled.map], ...runtime.files])
    const found = await takenFiles(request, bundled, [...own.files.filter(isReadAtRunTime), ...globbed.files])
    const taken = found.filter(({ path }) => !written.has(path))
    const facts = { ...bundleFacts(bundled, { taken, written }), ...(node !== undefined && { runsOn: `Node ${node}` }) }
    const packages = [...facts.bundled, ...facts.unbundled].map(({ name }) => name)
    return {
      hash: await this.#hash({ entry, base }, written, taken),
      folders: [...bundled.readable.read].filter(folder => !isInside(packageDir, folder)).sort(),
      notes: [
        ...bundled.notes,
        ...(await this.#nativeNotes.of(bundled.natives, taken, base)),
        ...(await this.#nativeNotes.ofPrograms(packages, base)),
        ...own.notes,
        ...(await unfoundReads(request, own.files, taken)),
        ...globbed.notes,
      ],
      facts,
      // `package/`: the original sources; `exported_<name>.ts`: the generated entry; `app/`: what the image holds.
      write: async versionDir => {
        await writeVersionFolder(versionDir, {
          written,
          taken,
          sources: own.files,
          entrySource: { name: `${name}.ts`, text: entrySource(request, './package') },
        })
        return { dir: join(versionDir, 'app'), entry }
      },
    }
  }

  async #hash(
    { entry, base }: { entry: string; base: string | undefined },
    written: Map<string, string>,
    taken: TakenFile[],
  ): Promise<string> {
    const own = [...written].map(([path, content]) => ({ path, executable: false, sha256: sha256(content) }))
    const others = []
    for (const file of taken) {
      others.push({ path: file.path, executable: file.executable, sha256: await this.#digests.of(file) })
    }
    return codeHashOf({ entry, base, files: [...own, ...others] })
  }

  /** The function's session, now the most recently used; the least recently used is closed. */
  #session(request: BundleRequest, runtime: readonly string[]): EsbuildSession {
    const { name, rootDir, packageDir, filePath, unbundled } = request
    const key = JSON.stringify([name, rootDir, packageDir, filePath, unbundled, entrySource(request, '.')])
    const session =
      this.#sessions.get(key) ?? new EsbuildSession(request, { runtime, compile: this.#options.compile ?? compileHere })
    this.#sessions.delete(key)
    this.#sessions.set(key, session)
    const [oldest] = this.#sessions
    if (oldest && this.#sessions.size > MOST_SESSIONS) {
      this.#sessions.delete(oldest[0])
      void oldest[1].close()
    }
    return session
  }
}

/** Sorted, each path once. */
async function takenFiles(request: BundleRequest, bundled: Bundled, files: TakenFile[]): Promise<TakenFile[]> {
  const byPath = new Map<string, TakenFile>()
  const referenced = await Promise.all([...bundled.references].map(path => referencedFile(request.packageDir, path)))
  const outside = await outsideFiles(request.packageDir, bundled)
  const addons = await Promise.all([...bundled.addons].map(([source, place]) => addonFile(source, place)))
  for (const file of [...files, ...referenced, ...addons, ...bundled.outside.flatMap(filesOfPackage)]) {
    if (file) byPath.set(file.path, file)
  }
  for (const file of outside) {
    const other = byPath.get(file.path)
    if (other !== undefined && other.source !== file.source) throw twoAtOnePlace(file, other)
    byPath.set(file.path, file)
  }
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}

function twoAtOnePlace({ path, source }: TakenFile, other: TakenFile): RyoFaasError {
  const message = `${other.source} and ${source} would be the same file (${path}) of the function`
  return new RyoFaasError('BUILD_FAILED', message, { hint: 'Rename one of them, or the folder that holds it' })
}

function isInside(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder + sep)
}

async function addonFile(source: string, path: string): Promise<TakenFile> {
  const { size, mtimeMs, mode } = await lstat(source)
  return { path, source, size, mtimeMs, executable: (mode & 0o111) !== 0 }
}

/** The bundler reports real paths, so the package needs its real path too. */
async function withRealPaths(request: BundleRequest): Promise<BundleRequest> {
  const [rootDir, packageDir] = await Promise.all([realpath(request.rootDir), realpath(request.packageDir)])
  return { ...request, rootDir, packageDir, filePath: join(packageDir, relative(request.packageDir, request.filePath)) }
}

async function compileHere(request: Parameters<Compile>[0]): Promise<string> {
  const { compileDecorated } = await import('../checker/compile.ts')
  return compileDecorated(request)
}

function isFileError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}

/** The work goes on (others may wait for it too), but this caller stops waiting. */
function untilAborted<T>(work: Promise<T>, name: string, signal: AbortSignal): Promise<T> {
  return new Promise((fulfil, reject) => {
    const stop = () => reject(cancelled(name))
    signal.addEventListener('abort', stop, { once: true })
    work.then(fulfil, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
