/** Functions that a module registers with functions-framework, by name and without an export. */
import { ts } from 'ts-morph'
import { FRAMEWORK } from './express-style.ts'
import { packageBehind } from './origins.ts'

const REGISTERS = new Set(['http', 'cloudEvent'])

/** Names in `http('name', …)` and `cloudEvent('name', …)`, also of the whole package: `functions.http('name', …)`. */
export function registeredNames(file: ts.SourceFile): string[] {
  if (!file.text.includes(FRAMEWORK)) return []
  return file.statements.flatMap(statement => {
    if (!ts.isExpressionStatement(statement) || !ts.isCallExpression(statement.expression)) return []
    const { expression: callee, arguments: given } = statement.expression
    const [first] = given
    return first && ts.isStringLiteralLike(first) && isRegistration(file, callee) ? [first.text] : []
  })
}

function isRegistration(file: ts.SourceFile, callee: ts.Expression): boolean {
  if (ts.isIdentifier(callee)) {
    const bound = packageBehind(file, callee.text)
    return bound?.specifier === FRAMEWORK && bound.imported !== undefined && REGISTERS.has(bound.imported)
  }
  if (!ts.isPropertyAccessExpression(callee) || !ts.isIdentifier(callee.expression)) return false
  return packageBehind(file, callee.expression.text)?.specifier === FRAMEWORK && REGISTERS.has(callee.name.text)
}
