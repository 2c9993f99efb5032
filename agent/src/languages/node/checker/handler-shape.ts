/** A call signature as the judgement needs it: parameter types by position and the awaited result. */
import { ts } from 'ts-morph'

export interface HandlerParameter {
  name: string
  type: ts.Type
  optional: boolean
  /** In the exported declaration itself; absent if the type is from elsewhere. */
  node: ts.Node | undefined
}

export interface HandlerShape {
  /** Without `this`. A rest parameter of a tuple type counts as its elements. */
  parameters: HandlerParameter[]
  /** The result after `await`. */
  result: ts.Type
  resultNode: ts.Node | undefined
  /** The function itself, or the type that declares it. */
  declaration: ts.Signature['declaration']
}

/** @param within declarations of the export: only parameters in there are worth pointing at */
export function handlerShape(checker: ts.TypeChecker, signature: ts.Signature, within: ts.Node[]): HandlerShape {
  const { declaration } = signature
  const isOwn = (node: ts.Node | undefined): node is ts.Node =>
    node !== undefined && within.some(outer => outer === node || isInside(node, outer))
  const returned = signature.getReturnType()
  const typeNode = declaration && 'type' in declaration ? (declaration.type as ts.Node | undefined) : undefined
  return {
    parameters: signature.parameters.flatMap(symbol => parametersOf(checker, symbol, isOwn)),
    result: checker.getAwaitedType(returned) ?? returned,
    resultNode: isOwn(typeNode) ? typeNode : undefined,
    declaration,
  }
}

function parametersOf(
  checker: ts.TypeChecker,
  symbol: ts.Symbol,
  isOwn: (node: ts.Node | undefined) => node is ts.Node,
): HandlerParameter[] {
  const declaration = symbol.valueDeclaration
  const parameter = declaration && ts.isParameter(declaration) ? declaration : undefined
  const type = constrained(checker, checker.getTypeOfSymbol(symbol))
  const node = isOwn(parameter) ? parameter : undefined
  const optional = parameter ? checker.isOptionalParameter(parameter) : false
  if (!parameter?.dotDotDotToken) return [{ name: symbol.name, type, optional, node }]
  if (!checker.isTupleType(type)) {
    // `...args: T[]` takes any number of Ts.
    const element = checker.getIndexTypeOfType(type, ts.IndexKind.Number) ?? type
    return Array.from({ length: 3 }, () => ({ name: symbol.name, type: element, optional: true, node }))
  }
  return checker
    .getTypeArguments(type as ts.TypeReference)
    .map((element, index) => ({ name: `${symbol.name}[${index}]`, type: element, optional: false, node }))
}

/** A type parameter takes whatever its constraint takes. */
function constrained(checker: ts.TypeChecker, type: ts.Type): ts.Type {
  if (!(type.flags & ts.TypeFlags.TypeParameter)) return type
  return checker.getBaseConstraintOfType(type) ?? checker.getUnknownType()
}

function isInside(node: ts.Node, outer: ts.Node): boolean {
  for (let at: ts.Node | undefined = node; at; at = at.parent) if (at === outer) return true
  return false
}
