/**
 * Checks that the named export of a module is a handler that the platform can run, by its type. In process and
 * synchronous; it keeps recently checked packages warm. Type errors elsewhere are ignored: the
 * bundler strips types.
 */
import { statSync } from 'node:fs'
import { join, parse, sep } from 'node:path'
import { ts } from 'ts-morph'
import { MODULE_ENDINGS } from '../module-endings.ts'
import { acceptedTypes } from './accepted-types.ts'
import type { CheckOutcome, CheckRequest } from './check.ts'
import { installedTypes, type CheckerOptions } from './checker-options.ts'
import { problemInFile, syntaxProblem, type Finding } from './findings.ts'
import { judgeModule } from './judge-module.ts'
import { openLibraryFiles, type LibraryFiles } from './library-files.ts'
import { PackageProgram } from './package-program.ts'

/** A warm package takes tens of megabytes, up to a hundred with the DOM's declarations. */
const MOST_PACKAGES = 4
/** Files of all warm packages, about 100 kB each: a package with big libraries is alone. */
const MOST_FILES = 1500

export class Checker {
  readonly #options: CheckerOptions
  readonly #mostFiles: number
  readonly #registry = ts.createDocumentRegistry()
  readonly #packages = new Map<string, PackageProgram>()
  #libraries: LibraryFiles | undefined

  constructor(options: CheckerOptions = installedTypes(), mostFiles = MOST_FILES) {
    this.#options = options
    this.#mostFiles = mostFiles
  }

  /** Folders of the packages that are kept warm, the one that was checked last at the end. */
  get warm(): string[] {
    return [...this.#packages.keys()]
  }

  /** Loads what every package needs: the language's and Node's declarations. */
  warmUp(): void {
    // In a folder without tsconfig.json, so that most packages share what is loaded.
    const packageDir = parse(this.#options.runtimeTypes).root
    const request: CheckRequest = { name: 'warm', kind: 'http', packageDir, filePath: join(packageDir, 'warm-up.ts') }
    this.check(request, 'export const warm = (request: Request) => new Response(request.body)')
  }

  /** @param unsaved text of the file in an editor, instead of what is on disk */
  check(request: CheckRequest, unsaved?: string): CheckOutcome {
    const { filePath } = request
    if (unsaved === undefined && !statSync(filePath, { throwIfNoEntry: false })?.isFile()) {
      return rejected(problemInFile(filePath, { code: 'missing-file', message: `${filePath} does not exist` }))
    }
    if (!MODULE_ENDINGS.some(ending => filePath.endsWith(ending))) {
      const hint = `filePath in deploy.json must name a module: ${MODULE_ENDINGS.slice(0, -1).join(', ')} or ${MODULE_ENDINGS.at(-1)}`
      return rejected(
        problemInFile(filePath, {
          code: 'missing-file',
          message: `${filePath} is not a TypeScript or JavaScript module`,
          hint,
        }),
      )
    }
    const { packageDir, installed } = request
    const checked = this.#package(packageDir).open(filePath, { unsaved, installed })
    this.#makeRoom()
    const file = checked.program.getSourceFile(filePath)
    if (!file) throw new Error(`the compiler did not load ${filePath}`)
    const syntax = checked.program.getSyntacticDiagnostics(file)
    if (syntax.length > 0) return { kind: 'rejected', problems: syntax.map(syntaxProblem) }
    const types = acceptedTypes(checked.program.getTypeChecker(), checked.acceptedTypes)
    return judgeModule({ request, checker: checked.program.getTypeChecker(), types, file })
  }

  /** Drops what is kept for the package of a file, e.g. one that was deleted or closed without saving. */
  forget(file: string): void {
    for (const [packageDir, kept] of this.#packages) {
      if (file !== packageDir && !file.startsWith(packageDir + sep)) continue
      kept.close()
      this.#packages.delete(packageDir)
    }
  }

  close(): void {
    for (const kept of this.#packages.values()) kept.close()
    this.#packages.clear()
  }

  #package(packageDir: string): PackageProgram {
    this.#libraries ??= openLibraryFiles()
    const kept =
      this.#packages.get(packageDir) ??
      new PackageProgram({ ...this.#options, packageDir, libraries: this.#libraries, registry: this.#registry })
    this.#packages.delete(packageDir)
    this.#packages.set(packageDir, kept)
    return kept
  }

  /** Closes the packages that were checked longest ago, never the one that is being checked. */
  #makeRoom(): void {
    let [files, packages] = [0, 0]
    for (const [packageDir, kept] of [...this.#packages].reverse()) {
      files += kept.size
      packages += 1
      if (packages === 1 || (files <= this.#mostFiles && packages <= MOST_PACKAGES)) continue
      kept.close()
      this.#packages.delete(packageDir)
    }
  }
}

function rejected({ problem }: Finding): CheckOutcome {
  return { kind: 'rejected', problems: [problem] }
}
