/** Imports of the types that handlers are written with: into an import that is there, else a new one. */
import { ts } from 'ts-morph'
import type { TextEdit } from '../protocol.ts'
import { homeOfType } from './handler-types.ts'
import { rangeOf } from './source.ts'

/** @param types names of handler types; those that need no import, or have one, are left out */
export function importEdits(source: ts.SourceFile, types: readonly string[]): TextEdit[] {
  const byModule = new Map<string, string[]>()
  for (const type of new Set(types)) {
    const module = homeOfType(type)
    if (module === undefined || isImported(source, type)) continue
    byModule.set(module, [...(byModule.get(module) ?? []), type])
  }
  return [...byModule].map(
    ([module, names]) => extendedImport(source, module, names) ?? newImport(source, module, names),
  )
}

/** Types of ours that a function's head names and nothing in the module declares. */
export function missingTypes(source: ts.SourceFile, written: ts.FunctionLikeDeclaration): string[] {
  const names = new Set<string>()
  const look = (node: ts.Node): void => {
    if (ts.isTypeReferenceNode(node) && ts.isIdentifier(node.typeName)) names.add(node.typeName.text)
    ts.forEachChild(node, look)
  }
  for (const node of [...written.parameters.map(({ type }) => type), written.type]) if (node) look(node)
  return [...names].filter(name => homeOfType(name) !== undefined && !isImported(source, name))
}

function isImported(source: ts.SourceFile, name: string): boolean {
  return importsOf(source).some(({ importClause }) => {
    const bindings = importClause?.namedBindings
    return bindings && ts.isNamedImports(bindings) && bindings.elements.some(element => element.name.text === name)
  })
}

function importsOf(source: ts.SourceFile): ts.ImportDeclaration[] {
  return source.statements.filter(statement => ts.isImportDeclaration(statement))
}

function extendedImport(source: ts.SourceFile, module: string, names: string[]): TextEdit | undefined {
  for (const { importClause, moduleSpecifier } of importsOf(source)) {
    const text = ts.isStringLiteral(moduleSpecifier) ? moduleSpecifier.text : ''
    const bindings = importClause?.namedBindings
    if (text !== module || !bindings || !ts.isNamedImports(bindings)) continue
    const last = bindings.elements.at(-1)
    if (!last) continue
    const added = importClause.isTypeOnly ? names : names.map(name => `type ${name}`)
    return { range: rangeOf(source, last.getEnd(), last.getEnd()), text: `, ${added.join(', ')}` }
  }
  return undefined
}

function newImport(source: ts.SourceFile, module: string, names: string[]): TextEdit {
  const imports = importsOf(source)
  const first = imports[0]
  const quote = first?.moduleSpecifier.getText(source)[0] ?? "'"
  const end = first && !first.getText(source).endsWith(';') ? '' : first ? ';' : ''
  const line = `import type { ${names.join(', ')} } from ${quote}${module}${quote}${end}`
  const last = imports.at(-1)
  if (last) return { range: rangeOf(source, last.getEnd(), last.getEnd()), text: `\n${line}` }
  const shebang = /^#!.*\n/.exec(source.text)?.[0].length ?? 0
  return { range: rangeOf(source, shebang, shebang), text: `${line}\n\n` }
}
