/** A user's module as a syntax tree, and what of it both the outline and the fixes want to know. */
import { ts } from 'ts-morph'
import type { Range } from '../../editor/range.ts'

const KINDS: Record<string, ts.ScriptKind> = {
  tsx: ts.ScriptKind.TSX,
  jsx: ts.ScriptKind.JSX,
  js: ts.ScriptKind.JS,
  mjs: ts.ScriptKind.JS,
  cjs: ts.ScriptKind.JS,
}

export function parse(file: string, text: string): ts.SourceFile {
  const extension = file.slice(file.lastIndexOf('.') + 1)
  return ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true, KINDS[extension] ?? ts.ScriptKind.TS)
}

export function isWhole(source: ts.SourceFile): boolean {
  return (source as unknown as { parseDiagnostics: unknown[] }).parseDiagnostics.length === 0
}

export function isJavaScript(source: ts.SourceFile): boolean {
  return /\.[cm]?jsx?$/.test(source.fileName)
}

export function rangeOf(source: ts.SourceFile, start: number, end: number): Range {
  return { start: source.getLineAndCharacterOfPosition(start), end: source.getLineAndCharacterOfPosition(end) }
}

export function rangeOfNode(node: ts.Node): Range {
  const source = node.getSourceFile()
  return rangeOf(source, node.getStart(source), node.getEnd())
}

/** The extent of the statement that a node is in, or of the node's own part of a statement with several. */
export function extentOf(node: ts.Node): Range {
  const source = node.getSourceFile()
  let whole = node
  while (!ts.isSourceFile(whole.parent) && !hasSeveral(whole.parent)) whole = whole.parent
  return rangeOf(source, whole.getStart(source, true), whole.getEnd())
}

function hasSeveral(node: ts.Node): boolean {
  return (
    ts.isObjectLiteralExpression(node) ||
    ts.isNamedExports(node) ||
    (ts.isVariableDeclarationList(node) && node.declarations.length > 1)
  )
}

/** An export by its name: what is exported, and the node that names it. */
export interface Exported {
  name: string
  nameNode: ts.Node
  /** The function's or variable's declaration, or the expression that is exported; absent for `export … from`. */
  declaration: ts.Node | undefined
  /** The default export, which has a name only if what it exports has one. */
  isDefault?: true
}

export function exportsOf(source: ts.SourceFile): Exported[] {
  const locals = localsOf(source)
  return source.statements.flatMap(statement => exportsOfStatement(statement, locals))
}

function exportsOfStatement(statement: ts.Statement, locals: Map<string, ts.Node>): Exported[] {
  if (ts.isFunctionDeclaration(statement) && isExported(statement)) {
    const isDefault = statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword) === true
    if (isDefault) return [asDefault(source(statement), statement.name ?? statement, statement)]
    return statement.name ? [named(statement.name.text, statement)] : []
  }
  if (ts.isVariableStatement(statement) && isExported(statement)) {
    return statement.declarationList.declarations.flatMap(declaration =>
      ts.isIdentifier(declaration.name) ? [named(declaration.name.text, declaration)] : [],
    )
  }
  if (ts.isExportDeclaration(statement)) return ofClause(statement, locals)
  if (ts.isExportAssignment(statement)) return [ofDefault(statement.expression, locals)]
  if (ts.isExpressionStatement(statement) && ts.isBinaryExpression(statement.expression)) {
    return ofCommonJs(statement.expression, locals)
  }
  return []
}

function ofClause(statement: ts.ExportDeclaration, locals: Map<string, ts.Node>): Exported[] {
  const clause = statement.exportClause
  if (statement.isTypeOnly || !clause || !ts.isNamedExports(clause)) return []
  return clause.elements.flatMap(element => {
    if (element.isTypeOnly) return []
    const local = (element.propertyName ?? element.name).text
    const declaration = statement.moduleSpecifier ? undefined : locals.get(local)
    // A re-exported import has no other place for a lens.
    return declaration
      ? [{ ...named(element.name.text, declaration) }]
      : [{ name: element.name.text, nameNode: element, declaration: undefined }]
  })
}

function ofIdentifier(expression: ts.Expression, locals: Map<string, ts.Node>): Exported[] {
  if (!ts.isIdentifier(expression)) return []
  const declaration = locals.get(expression.text)
  return declaration ? [named(expression.text, declaration)] : []
}

/** By the name of what is exported, or by the file's. */
function ofDefault(expression: ts.Expression, locals: Map<string, ts.Node>): Exported {
  const [local] = ofIdentifier(expression, locals)
  if (local) return { ...local, isDefault: true }
  return asDefault(
    source(expression),
    ts.isFunctionExpression(expression) && expression.name ? expression.name : expression,
    expression,
  )
}

function asDefault(file: ts.SourceFile, nameNode: ts.Node, declaration: ts.Node): Exported {
  const name = ts.isIdentifier(nameNode) ? nameNode.text : nameFromPath(file.fileName)
  return {
    name,
    nameNode: ts.isIdentifier(nameNode) ? nameNode : firstLineOf(declaration),
    declaration,
    isDefault: true,
  }
}

/** A place for a lens: not the whole of a function. */
function firstLineOf(node: ts.Node): ts.Node {
  return node.getFirstToken() ?? node
}

export function hasFetch(expression: ts.Expression): boolean {
  return (
    ts.isObjectLiteralExpression(expression) &&
    expression.properties.some(({ name }) => name !== undefined && ts.isIdentifier(name) && name.text === 'fetch')
  )
}

/** Names of files that say nothing: the folder's counts. */
const GENERAL = new Set(['index', 'main', 'route', 'handler', 'server', 'app', 'function'])

/** A deployment's name for what has none: of the file, or of its folder. */
export function nameFromPath(path: string): string {
  const parts = path
    .replace(/\.[^./\\]+$/, '')
    .split(/[\\/]/)
    .map(part => part.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^[^A-Za-z0-9]+|-+$/g, ''))
    .filter(part => part !== '')
  const [folder, file] = parts.slice(-2)
  return ((file === undefined || GENERAL.has(file)) && folder !== undefined ? folder : (file ?? 'function')).slice(
    0,
    63,
  )
}

function source(node: ts.Node): ts.SourceFile {
  return node.getSourceFile()
}

/** `exports.f = …`, `module.exports.f = …`, `module.exports = f`, `module.exports = { f, g }`. */
function ofCommonJs({ left, right, operatorToken }: ts.BinaryExpression, locals: Map<string, ts.Node>): Exported[] {
  if (operatorToken.kind !== ts.SyntaxKind.EqualsToken || !ts.isPropertyAccessExpression(left)) return []
  const target = left.getText()
  if (target === 'module.exports') {
    // A server is an object, but not one of several exports.
    if (!ts.isObjectLiteralExpression(right) || hasFetch(right)) return [ofDefault(right, locals)]
    return right.properties.flatMap(property => {
      if (ts.isShorthandPropertyAssignment(property)) return ofIdentifier(property.name, locals)
      if (!property.name || !ts.isIdentifier(property.name)) return []
      const declaration = ts.isPropertyAssignment(property) ? property.initializer : property
      return [{ name: property.name.text, nameNode: property.name, declaration }]
    })
  }
  if (!/^(?:module\.)?exports\.\w+$/.test(target)) return []
  const declaration = ts.isIdentifier(right) ? locals.get(right.text) : right
  return [{ name: left.name.text, nameNode: left.name, declaration }]
}

function localsOf(source: ts.SourceFile): Map<string, ts.Node> {
  const locals = new Map<string, ts.Node>()
  for (const statement of source.statements) {
    if (ts.isFunctionDeclaration(statement) && statement.name) locals.set(statement.name.text, statement)
    if (!ts.isVariableStatement(statement)) continue
    for (const declaration of statement.declarationList.declarations) {
      if (ts.isIdentifier(declaration.name)) locals.set(declaration.name.text, declaration)
    }
  }
  return locals
}

/** The top-level declaration of that name, exported or not. */
export function declarationOf(source: ts.SourceFile, name: string): ts.Node | undefined {
  return localsOf(source).get(name) ?? exportsOf(source).find(found => found.name === name)?.declaration
}

/** The function that a declaration makes, if it is written there. */
export function functionOf(declaration: ts.Node | undefined): ts.FunctionLikeDeclaration | undefined {
  if (!declaration) return undefined
  if (ts.isFunctionDeclaration(declaration) || ts.isMethodDeclaration(declaration)) return declaration
  const value = ts.isVariableDeclaration(declaration) ? declaration.initializer : declaration
  let expression: ts.Node | undefined = value
  while (expression && (ts.isParenthesizedExpression(expression) || ts.isSatisfiesExpression(expression))) {
    expression = expression.expression
  }
  return expression && (ts.isArrowFunction(expression) || ts.isFunctionExpression(expression)) ? expression : undefined
}

function named(name: string, declaration: ts.Node): Exported {
  return { name, nameNode: ts.getNameOfDeclaration(declaration as ts.Declaration) ?? declaration, declaration }
}

function isExported(statement: ts.FunctionDeclaration | ts.VariableStatement): boolean {
  return statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true
}
