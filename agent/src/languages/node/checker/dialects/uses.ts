/** What a function does with one of its parameters, by syntax: the only evidence where nothing is typed. */
import { ts } from 'ts-morph'

export interface ParameterUses {
  /** Members that are read, called or set: `end` of `response.end()`. */
  readonly members: ReadonlySet<string>
  /** Members of what calling a member gives: `succeed` of `context.status(200).succeed(x)`. */
  readonly chained: ReadonlySet<string>
  /** It is called, or given to somebody else. */
  readonly isPassedOn: boolean
  readonly isUsed: boolean
  /** Of the calls of it: `callback(null, result)` has two. */
  readonly mostArguments: number
}

export function usesOf(written: ts.SignatureDeclaration | ts.JSDocSignature, index: number): ParameterUses {
  const members = new Set<string>()
  const chained = new Set<string>()
  let isPassedOn = false
  let mostArguments = 0
  const parameter = 'body' in written ? written.parameters.filter(ts.isParameter)[index] : undefined
  const body = 'body' in written ? written.body : undefined
  if (!parameter || !body) return { members, chained, isPassedOn, isUsed: false, mostArguments }
  const { name } = parameter
  if (!ts.isIdentifier(name)) {
    for (const element of name.elements) {
      if (!ts.isBindingElement(element)) continue
      if (element.dotDotDotToken) isPassedOn = true
      const member = element.propertyName ?? element.name
      if (ts.isIdentifier(member)) members.add(member.text)
    }
    return { members, chained, isPassedOn, isUsed: true, mostArguments }
  }
  let isUsed = false
  const visit = (node: ts.Node): void => {
    if (!ts.isIdentifier(node) || node.text !== name.text) return ts.forEachChild(node, visit)
    const { parent } = node
    // A member or a key of that name is another thing.
    if (ts.isPropertyAccessExpression(parent) && parent.name === node) return
    if (ts.isPropertyAssignment(parent) && parent.name === node) return
    isUsed = true
    if (!ts.isPropertyAccessExpression(parent)) {
      isPassedOn = true
      if (ts.isCallExpression(parent) && parent.expression === node) {
        mostArguments = Math.max(mostArguments, parent.arguments.length)
      }
      return
    }
    members.add(parent.name.text)
    let call: ts.Node = parent.parent
    while (ts.isCallExpression(call) && ts.isPropertyAccessExpression(call.parent)) {
      chained.add(call.parent.name.text)
      call = call.parent.parent
    }
  }
  visit(body)
  return { members, chained, isPassedOn, isUsed, mostArguments }
}
