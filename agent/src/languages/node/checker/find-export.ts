/** Finds the function that a name in deploy.json means among a module's exports. */
import { ts } from 'ts-morph'
import { nearMatch } from '../../../contract/index.ts'
import { problemAt, problemInFile, type Finding } from './findings.ts'

export interface FoundExport {
  exportName: string
  /** The exported symbol, with aliases resolved. */
  symbol: ts.Symbol
  /** Where to point if nothing more precise is known. */
  node: ts.Node
}

export interface ModuleExports {
  file: ts.SourceFile
  symbols: ts.Symbol[]
  /** `module.exports = …` of CommonJS, which is a default export too. */
  whole: ts.Symbol | undefined
}

export function exportsOf(checker: ts.TypeChecker, file: ts.SourceFile): ModuleExports {
  const module = moduleOf(checker, file)
  return {
    file,
    symbols: module ? checker.getExportsOfModule(module) : [],
    whole: module?.exports?.get(ts.InternalSymbolName.ExportEquals),
  }
}

/** The export of that name; undefined if there is none. */
export function namedExport(
  checker: ts.TypeChecker,
  { file, symbols, whole }: ModuleExports,
  name: string,
): FoundExport | Finding | undefined {
  const named = symbols.find(symbol => symbol.name === name)
  if (named) return follow(checker, named, file)
  if (name !== 'default' || !whole) return undefined
  const found = follow(checker, whole, file)
  return 'problem' in found ? found : { ...found, exportName: 'default' }
}

/** The compiler answers for ES modules; it also knows what a CommonJS module exports. */
function moduleOf(checker: ts.TypeChecker, file: ts.SourceFile): ts.Symbol | undefined {
  return checker.getSymbolAtLocation(file) ?? (file as { symbol?: ts.Symbol }).symbol
}

function follow(checker: ts.TypeChecker, symbol: ts.Symbol, file: ts.SourceFile): FoundExport | Finding {
  const declaration = symbol.declarations?.find(node => node.getSourceFile() === file) ?? symbol.declarations?.[0]
  const node = (declaration && ts.getNameOfDeclaration(declaration)) ?? declaration ?? file
  if (!(symbol.flags & ts.SymbolFlags.Alias)) return { exportName: symbol.name, symbol, node }
  if (declaration && isTypeOnly(declaration)) return typeOnly(symbol.name, node)
  const target = checker.getAliasedSymbol(symbol)
  if (target.declarations?.length) {
    const inFile = target.declarations.find(other => other.getSourceFile() === file)
    return { exportName: symbol.name, symbol: target, node: (inFile && ts.getNameOfDeclaration(inFile)) ?? node }
  }
  return problemAt(node, {
    code: 'unresolved-type',
    message: `"${symbol.name}" is exported from a module that was not found`,
    hint: 'Check the path, or install the package',
  })
}

export function typeOnly(name: string, node: ts.Node): Finding {
  return problemAt(node, {
    code: 'type-only',
    message: `"${name}" is only a type: there is nothing to call at run time`,
    hint: 'Export a function of this name',
  })
}

function isTypeOnly(node: ts.Node): boolean {
  if (ts.isExportSpecifier(node)) return node.isTypeOnly || node.parent.parent.isTypeOnly
  return false
}

/** @param field of deploy.json that says the name */
export function missingExport({ file, symbols }: ModuleExports, name: string, field = 'name'): Finding {
  const names = symbols.map(symbol => symbol.name).filter(exported => exported !== 'export=')
  const declared = declarationOf(file, name)
  if (declared) {
    return problemAt(declared, {
      code: 'not-exported',
      message: `"${name}" is declared here but not exported`,
      hint: `Put "export" in front of it`,
    })
  }
  const otherCase = names.find(exported => exported.toLowerCase() === name.toLowerCase())
  if (otherCase !== undefined) {
    const declaration = symbols.find(symbol => symbol.name === otherCase)?.declarations?.[0]
    const node = declaration?.getSourceFile() === file ? (ts.getNameOfDeclaration(declaration) ?? declaration) : file
    return problemAt(node, {
      code: 'wrong-case',
      message: `deploy.json says "${name}", but the export is "${otherCase}"`,
      hint: `Write "${field}": "${otherCase}" in deploy.json, or rename the export`,
    })
  }
  const near = nearMatch(name, names)
  const list =
    names.length > 0 ? `It exports ${names.map(exported => `"${exported}"`).join(', ')}` : 'It exports nothing'
  return problemInFile(file.fileName, {
    code: 'no-such-export',
    message: `The module has no export "${name}"`,
    hint: near === undefined ? list : `${list}. Did you mean "${near}"?`,
  })
}

function declarationOf(file: ts.SourceFile, name: string): ts.Node | undefined {
  for (const statement of file.statements) {
    if (ts.isVariableStatement(statement)) {
      const found = statement.declarationList.declarations.find(
        ({ name: id }) => ts.isIdentifier(id) && id.text === name,
      )
      if (found) return found.name
    } else if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)) {
      if (statement.name?.text === name) return statement.name
    }
  }
  return undefined
}
