/**
 * A package as the compiler sees it, kept warm: a check after an edit parses the edited file only. Invariants:
 *
 * 1. Compiler options are the user's (tsconfig.json), except that nothing is emitted and JavaScript is allowed.
 * 2. `@ryo-faas/runtime` is always our own copy; `@types/node` is the user's, or ours if there is none.
 * 3. The disk is checked again for every program: files by size and time, unresolved imports by resolving them.
 *    Declarations of installed packages are full of imports that resolve to nothing (optional peers): what they import
 *    is looked for again only when something was installed.
 * 4. A new program is made only when a file was added or changed: the order of files is not the order of checks.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, extname, join, sep } from 'node:path'
import { ts } from 'ts-morph'
import { ACCEPTED_TYPES_SOURCE } from './accepted-types.ts'
import type { CheckerOptions } from './checker-options.ts'
import { readConfig, type PackageConfig } from './package-config.ts'
import { placeOf, type InstalledPlace } from './installed-place.ts'
import type { LibraryFiles } from './library-files.ts'

/** Part of the host, though not of its published type: whether the imports of an unchanged file are resolved again. */
interface LanguageServiceHost extends ts.LanguageServiceHost {
  hasInvalidatedResolutions(path: string): boolean
}

/** Files kept in the program, more than a package has functions: each costs memory, also for what it imports. */
const MAX_ASKED = 64
const INSTALLED = `${sep}node_modules${sep}`

const ACCEPTED_TYPES_FILE = '__ryo-faas-accepted-types__.ts'

export interface PackageProgramOptions extends CheckerOptions {
  /** Absolute. */
  packageDir: string
  libraries: LibraryFiles
  /** Shared by all packages, so that common declarations are parsed once. */
  registry: ts.DocumentRegistry
  /** Default 64. */
  maxAsked?: number
}

interface OpenedAs {
  /** Text of the file instead of what is on disk. */
  unsaved?: string | undefined
  /** Where packages are that are in no `node_modules` in reach. */
  installed?: InstalledPlace | undefined
}

export interface CheckedProgram {
  program: ts.Program
  /** The module of `ACCEPTED_TYPES_SOURCE`. */
  acceptedTypes: ts.SourceFile
}

export class PackageProgram {
  readonly #options: PackageProgramOptions
  readonly #service: ts.LanguageService
  readonly #acceptedTypesFile: string
  readonly #nodeTypes: string
  /** Files that were checked. */
  readonly #asked = new Set<string>()
  readonly #unsaved = new Map<string, { text: string; version: number }>()
  /** Files with an unresolved import, which may resolve now. */
  readonly #unresolved = new Set<string>()
  /** What installed packages import. */
  #resolutions: ts.ModuleResolutionCache
  #installed = ''
  #wasInstalled = false
  #place: InstalledPlace | undefined
  /** Files in the program. */
  size = 0
  #config: PackageConfig
  #unsavedCount = 0

  constructor(options: PackageProgramOptions) {
    this.#options = options
    this.#acceptedTypesFile = join(options.packageDir, ACCEPTED_TYPES_FILE)
    this.#nodeTypes = typesOfNode(options)
    this.#config = readConfig(options.packageDir)
    this.#resolutions = this.#noResolutions()
    this.#service = ts.createLanguageService(this.#host(), options.registry)
  }

  open(filePath: string, { unsaved, installed: place }: OpenedAs = {}): CheckedProgram {
    const isConfigured = this.#config.isCurrent()
    if (!isConfigured) this.#config = readConfig(this.#options.packageDir)
    const installed = `${installedStamp(this.#options.packageDir)}${place?.folder ?? ''}`
    this.#place = place
    this.#wasInstalled = installed !== this.#installed
    this.#installed = installed
    if (this.#wasInstalled || !isConfigured) this.#resolutions = this.#noResolutions()
    this.#asked.delete(filePath)
    this.#asked.add(filePath)
    const known = this.#unsaved.get(filePath)
    if (unsaved === undefined) this.#unsaved.delete(filePath)
    else if (known?.text !== unsaved) {
      this.#unsaved.set(filePath, { text: unsaved, version: ++this.#unsavedCount })
    }
    for (const asked of this.#asked) if (asked !== filePath && !existsSync(asked)) this.#asked.delete(asked)
    const { maxAsked = MAX_ASKED } = this.#options
    for (const oldest of [...this.#asked].slice(0, -maxAsked)) this.#asked.delete(oldest)
    const program = this.#service.getProgram()!
    this.size = program.getSourceFiles().length
    return { program, acceptedTypes: program.getSourceFile(this.#acceptedTypesFile)! }
  }

  close(): void {
    this.#service.dispose()
  }

  #read(path: string): string | undefined {
    if (path === this.#acceptedTypesFile) return ACCEPTED_TYPES_SOURCE
    return this.#unsaved.get(path)?.text ?? this.#options.libraries.read(path) ?? readIfFile(path)
  }

  #version(path: string): string {
    const unsaved = this.#unsaved.get(path)
    if (unsaved) return `unsaved ${unsaved.version}`
    if (path === this.#acceptedTypesFile || path.startsWith(this.#options.libraries.folder)) return 'constant'
    const status = statSync(path, { throwIfNoEntry: false })
    return status ? `${status.mtimeMs} ${status.size}` : 'absent'
  }

  #exists(path: string): boolean {
    return (
      path === this.#acceptedTypesFile ||
      this.#unsaved.has(path) ||
      this.#options.libraries.read(path) !== undefined ||
      statSync(path, { throwIfNoEntry: false })?.isFile() === true
    )
  }

  #host(): LanguageServiceHost {
    const { packageDir, libraries } = this.#options
    return {
      getCompilationSettings: () => this.#config.options,
      getScriptFileNames: () => [
        this.#acceptedTypesFile,
        this.#nodeTypes,
        ...this.#config.declarations,
        ...[...this.#asked].sort(),
      ],
      getScriptVersion: path => this.#version(path),
      getScriptSnapshot: path => {
        const text = this.#read(path)
        return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text)
      },
      getCurrentDirectory: () => packageDir,
      getDefaultLibFileName: options => `${libraries.folder}/${ts.getDefaultLibFileName(options)}`,
      fileExists: path => this.#exists(path),
      readFile: path => this.#read(path),
      directoryExists: ts.sys.directoryExists,
      getDirectories: ts.sys.getDirectories,
      realpath: path => (path.startsWith(libraries.folder) ? path : ts.sys.realpath!(path)),
      useCaseSensitiveFileNames: () => ts.sys.useCaseSensitiveFileNames,
      resolveModuleNameLiterals: (literals, containingFile, _reference, options, file) => {
        this.#unresolved.delete(containingFile)
        return literals.map(({ text }, index) => {
          const mode = ts.getModeForResolutionAtIndex(file, index, options)
          return this.#resolve(text, containingFile, { options, mode })
        })
      },
      resolveTypeReferenceDirectiveReferences: (references, containingFile, _reference, options) =>
        references.map(reference => {
          const name = typeof reference === 'string' ? reference : reference.fileName
          if (name === 'node') return { resolvedTypeReferenceDirective: this.#node() }
          return ts.resolveTypeReferenceDirective(name, containingFile, options, this.#resolutionHost)
        }),
      hasInvalidatedResolutions: path =>
        this.#unresolved.has(path) && (this.#wasInstalled || !path.includes(INSTALLED)),
    }
  }

  readonly #resolutionHost: ts.ModuleResolutionHost = {
    fileExists: path => this.#exists(path),
    readFile: path => this.#read(path),
    directoryExists: path => ts.sys.directoryExists(path),
    getDirectories: path => ts.sys.getDirectories(path),
    realpath: path => ts.sys.realpath!(path),
  }

  #resolve(
    name: string,
    from: string,
    how: { options: ts.CompilerOptions; mode: ts.ResolutionMode },
  ): ts.ResolvedModuleWithFailedLookupLocations {
    const own = runtimeDoor(name, this.#options.runtimeTypes)
    if (own !== undefined) {
      const extension = own.endsWith('.d.ts') ? ts.Extension.Dts : ts.Extension.Ts
      // Not marked as a library: the compiler would not follow a library's source files.
      return { resolvedModule: { resolvedFileName: own, extension, isExternalLibraryImport: false } }
    }
    const resolution = this.#lookUp(name, from, how)
    if (!resolution.resolvedModule && !isBuiltin(name)) this.#unresolved.add(from)
    return resolution
  }

  #lookUp(
    name: string,
    from: string,
    { options, mode }: { options: ts.CompilerOptions; mode: ts.ResolutionMode },
  ): ts.ResolvedModuleWithFailedLookupLocations {
    const host = this.#resolutionHost
    if (from.includes(INSTALLED)) {
      return ts.resolveModuleName(name, from, options, host, this.#resolutions, undefined, mode)
    }
    const own = ts.resolveModuleName(name, from, options, host, undefined, undefined, mode)
    if (own.resolvedModule || this.#place === undefined || name.startsWith('.')) return own
    const found = ts.resolveModuleName(name, placeOf(from, this.#place), options, host, undefined, undefined, mode)
    return found.resolvedModule ? found : own
  }

  #noResolutions(): ts.ModuleResolutionCache {
    return ts.createModuleResolutionCache(this.#options.packageDir, name => name, this.#config.options)
  }

  #node(): ts.ResolvedTypeReferenceDirective {
    return { primary: true, resolvedFileName: this.#nodeTypes, isExternalLibraryImport: true }
  }
}

function typesOfNode({ packageDir, nodeTypes }: PackageProgramOptions): string {
  for (let dir = packageDir; ; dir = dirname(dir)) {
    const candidate = join(dir, 'node_modules', '@types', 'node', 'index.d.ts')
    if (existsSync(candidate)) return ts.sys.realpath!(candidate)
    if (dirname(dir) === dir) return nodeTypes
  }
}

/** Changes whenever a package is added to or removed from any `node_modules` that this folder resolves from. */
function installedStamp(packageDir: string): string {
  let stamp = ''
  for (let dir = packageDir; ; dir = dirname(dir)) {
    for (const place of ['node_modules', join('node_modules', '.package-lock.json')]) {
      stamp += `${statSync(join(dir, place), { throwIfNoEntry: false })?.mtimeMs ?? ''} `
    }
    if (dirname(dir) === dir) return stamp
  }
}

function runtimeDoor(name: string, runtimeTypes: string): string | undefined {
  const door = /^@ryo-faas\/runtime(?:\/(main|protocol))?$/.exec(name)
  if (!door) return undefined
  const extension = runtimeTypes.endsWith('.d.ts') ? '.d.ts' : extname(runtimeTypes)
  if (door[1] === undefined) return runtimeTypes
  return join(dirname(runtimeTypes), door[1] === 'main' ? `main${extension}` : `protocol/index${extension}`)
}

function readIfFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'EISDIR' || code === 'ENOTDIR') return undefined
    throw error
  }
}
