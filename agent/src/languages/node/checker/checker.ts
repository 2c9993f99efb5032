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
import { findExport, typeOnly, type FoundExport } from './find-export.ts'
import { problemAt, problemInFile, syntaxProblem, type Finding } from './findings.ts'
import { handlerShape } from './handler-shape.ts'
import { isAny, judgeHandler } from './judge-handler.ts'
import { openLibraryFiles, type LibraryFiles } from './library-files.ts'
import { PackageProgram, type CheckedProgram } from './package-program.ts'

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
    const checked = this.#package(request.packageDir).open(filePath, unsaved)
    this.#makeRoom()
    const file = checked.program.getSourceFile(filePath)
    if (!file) throw new Error(`the compiler did not load ${filePath}`)
    const syntax = checked.program.getSyntacticDiagnostics(file)
    if (syntax.length > 0) return { kind: 'rejected', problems: syntax.map(syntaxProblem) }
    return judge(request, checked, file)
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

function judge(
  request: CheckRequest,
  { program, acceptedTypes: accepted }: CheckedProgram,
  file: ts.SourceFile,
): CheckOutcome {
  const checker = program.getTypeChecker()
  const name = request.kind === 'service' ? 'main' : request.name
  const found = findExport(checker, file, name)
  if ('problem' in found) return rejected(found)
  const unfit = notAFunction(checker, name, found)
  if (unfit) return rejected(unfit)

  const types = acceptedTypes(checker, accepted)
  const { symbol, node, exportName } = found
  const within = symbol.declarations ?? []
  const verdicts = checker
    .getTypeOfSymbolAtLocation(symbol, file)
    .getCallSignatures()
    .map(signature =>
      judgeHandler({ name, kind: request.kind, shape: handlerShape(checker, signature, within), node, checker, types }),
    )
  for (const verdict of verdicts) {
    if ('style' in verdict) return { kind: 'accepted', ...verdict, exportName }
  }
  return rejected(verdicts[0] as Finding)
}

function notAFunction(checker: ts.TypeChecker, name: string, { symbol, node }: FoundExport): Finding | undefined {
  if (symbol.flags & ts.SymbolFlags.Class) {
    return problemAt(node, {
      code: 'is-class',
      message: `"${name}" is a class, which cannot be called`,
      hint: 'Export a function that creates an instance and uses it',
    })
  }
  if (!(symbol.flags & ts.SymbolFlags.Value)) return typeOnly(name, node)
  const type = checker.getTypeOfSymbolAtLocation(symbol, node)
  const signatures = type.getCallSignatures()
  if (signatures.some(signature => isGenerator(signature))) {
    return problemAt(node, {
      code: 'is-generator',
      message: `"${name}" is a generator: calling it does not run it`,
      hint: 'Write a plain or an async function; to stream, write to the response or return a Response with a stream',
    })
  }
  if (signatures.length > 0) return undefined
  if (isAny(type)) {
    return problemAt(node, {
      code: 'unresolved-type',
      message: `The type of "${name}" is unknown, so it may not be a handler`,
      hint: 'Check its imports, or give it a type: export const f: HttpHandler = …',
    })
  }
  const isConstructor = type.getConstructSignatures().length > 0
  return problemAt(node, {
    code: isConstructor ? 'is-class' : 'not-a-function',
    message: `"${name}" is ${isConstructor ? 'a class' : `of type ${checker.typeToString(type)}`}, which cannot be called`,
    hint: 'Export a function of this name',
  })
}

function isGenerator(signature: ts.Signature): boolean {
  const { declaration } = signature
  if (declaration && 'asteriskToken' in declaration && declaration.asteriskToken) return true
  return /^(?:Async)?Generator$/.test(signature.getReturnType().symbol?.name ?? '')
}

function rejected({ problem }: Finding): CheckOutcome {
  return { kind: 'rejected', problems: [problem] }
}
