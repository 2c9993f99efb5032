/** Where types and values come from: the packages that declare and make them. */
import { ts } from 'ts-morph'

/** The name that the user sees: that of the alias, or of the declaration. */
export function nameOfType(type: ts.Type): string | undefined {
  return (type.aliasSymbol ?? type.symbol)?.name
}

/** Whether the type, or one that it is a union or an intersection of, is declared by one of the packages. */
export function isDeclaredBy(type: ts.Type, ...packages: string[]): boolean {
  if (type.isUnionOrIntersection() && type.types.some(member => isDeclaredBy(member, ...packages))) return true
  return packages.some(name => [type.aliasSymbol, type.symbol].some(symbol => symbol && isFrom(symbol, name)))
}

function isFrom(symbol: ts.Symbol, packageName: string): boolean {
  const typed = packageName.startsWith('@') ? packageName.slice(1).replace('/', '__') : packageName
  return (symbol.declarations ?? []).some(declaration => {
    const { fileName } = declaration.getSourceFile()
    return [packageName, `@types/${typed}`].some(folder => fileName.includes(`/node_modules/${folder}/`))
  })
}

/** The type of a property, without `undefined`; also for properties of intersections. */
export function propertyOf(
  checker: ts.TypeChecker,
  { type, node }: { type: ts.Type; node: ts.Node },
  name: string,
): ts.Type | undefined {
  const property = checker.getPropertyOfType(type, name)
  return property && checker.getNonNullableType(checker.getTypeOfSymbolAtLocation(property, node))
}

export function isCallable(type: ts.Type | undefined): boolean {
  return type !== undefined && type.getCallSignatures().length > 0
}

/** The expression that a variable, or an assignment to an export, gives to a symbol; variables are followed. */
export function valueOf(checker: ts.TypeChecker, symbol: ts.Symbol, depth = 0): ts.Expression | undefined {
  for (const declaration of symbol.declarations ?? []) {
    const value = unwrapped(assignedIn(declaration))
    if (!value) continue
    if (!ts.isIdentifier(value) || depth > 5) return value
    const next = checker.getSymbolAtLocation(value)
    const aliased = next && next.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(next) : next
    return (aliased && valueOf(checker, aliased, depth + 1)) ?? value
  }
  return undefined
}

function assignedIn(declaration: ts.Node): ts.Expression | undefined {
  if (ts.isVariableDeclaration(declaration)) return declaration.initializer
  if (ts.isExportAssignment(declaration)) return declaration.expression
  if (ts.isBinaryExpression(declaration)) return declaration.right
  if (ts.isPropertyAssignment(declaration)) return declaration.initializer
  // `exports.f = …`: the declaration is the name on the left.
  if (ts.isPropertyAccessExpression(declaration) && ts.isBinaryExpression(declaration.parent)) {
    return declaration.parent.right
  }
  return undefined
}

/** Without parentheses, `await`, `as` and `satisfies`. */
export function unwrapped(expression: ts.Expression | undefined): ts.Expression | undefined {
  let inner = expression
  while (
    inner &&
    (ts.isParenthesizedExpression(inner) ||
      ts.isAwaitExpression(inner) ||
      ts.isAsExpression(inner) ||
      ts.isSatisfiesExpression(inner))
  ) {
    inner = inner.expression
  }
  return inner
}

/** The package whose export makes a value: `koa` for `new Koa()`, `fastify` for `require('fastify')()`. */
export function makerOf(value: ts.Expression | undefined): string | undefined {
  const made = unwrapped(value)
  if (!made || !(ts.isCallExpression(made) || ts.isNewExpression(made))) return undefined
  let root: ts.Expression = made
  for (;;) {
    if (ts.isCallExpression(root) && requiredBy(root) !== undefined) return requiredBy(root)
    if (ts.isCallExpression(root) || ts.isNewExpression(root) || ts.isPropertyAccessExpression(root)) {
      root = root.expression
    } else break
  }
  return ts.isIdentifier(root) ? packageBehind(root.getSourceFile(), root.text)?.specifier : undefined
}

/** What a local name is bound to by an import or a `require` at the top of the file. */
export function packageBehind(
  file: ts.SourceFile,
  name: string,
): { specifier: string; imported: string | undefined } | undefined {
  for (const statement of file.statements) {
    if (ts.isImportDeclaration(statement) && ts.isStringLiteral(statement.moduleSpecifier)) {
      const specifier = statement.moduleSpecifier.text
      const { name: whole, namedBindings } = statement.importClause ?? {}
      if (whole?.text === name) return { specifier, imported: undefined }
      if (!namedBindings) continue
      if (ts.isNamespaceImport(namedBindings)) {
        if (namedBindings.name.text === name) return { specifier, imported: undefined }
        continue
      }
      const element = namedBindings.elements.find(one => one.name.text === name)
      if (element) return { specifier, imported: (element.propertyName ?? element.name).text }
    }
    if (ts.isVariableStatement(statement)) {
      for (const declaration of statement.declarationList.declarations) {
        const specifier = requiredBy(declaration.initializer)
        if (specifier === undefined) continue
        if (ts.isIdentifier(declaration.name) && declaration.name.text === name)
          return { specifier, imported: undefined }
        if (!ts.isObjectBindingPattern(declaration.name)) continue
        const element = declaration.name.elements.find(one => ts.isIdentifier(one.name) && one.name.text === name)
        if (element) return { specifier, imported: (element.propertyName ?? element.name).getText() }
      }
    }
  }
  return undefined
}

/** `require('x')`, or a property of it. */
function requiredBy(expression: ts.Expression | undefined): string | undefined {
  if (!expression) return undefined
  if (ts.isPropertyAccessExpression(expression)) return requiredBy(expression.expression)
  if (!ts.isCallExpression(expression) || !ts.isIdentifier(expression.expression)) return undefined
  const [argument] = expression.arguments
  return expression.expression.text === 'require' && argument && ts.isStringLiteral(argument)
    ? argument.text
    : undefined
}
