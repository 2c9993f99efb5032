/**
 * Finds what might be handlers by syntax alone, in a millisecond: what is exported, and whether its types are written
 * like those of a handler. The checker decides later.
 */
import { ts } from 'ts-morph'
import type { Candidate, Likeness, Outline } from '../protocol.ts'
import { HandlerTypes } from './handler-types.ts'
import { exportsOf, extentOf, functionOf, isWhole, parse, rangeOfNode, type Exported } from './source.ts'

export function outlineOf(file: string, text: string): Outline {
  const source = parse(file, text)
  const types = new HandlerTypes(source)
  const candidates = exportsOf(source).map(exported => candidate(exported, types))
  return { candidates: [...new Map(candidates.map(found => [found.name, found])).values()], isWhole: isWhole(source) }
}

function candidate({ name, nameNode, declaration }: Exported, types: HandlerTypes): Candidate {
  return {
    name,
    range: rangeOfNode(nameNode),
    extent: extentOf(declaration ?? nameNode),
    ...(declaration ? look(name, declaration, types) : NOTHING),
  }
}

type Look = Pick<Candidate, 'likeness' | 'kind'>

const NOTHING: Look = { likeness: 'none', kind: 'http' }

function look(name: string, declaration: ts.Node, types: HandlerTypes): Look {
  const wholeType = ts.isVariableDeclaration(declaration)
    ? (declaration.type ?? satisfied(declaration.initializer) ?? ts.getJSDocType(declaration))
    : ts.getJSDocType(declaration)
  switch (types.nameOf(wholeType)) {
    case 'HttpHandler':
    case 'WebHandler':
    case 'PlainWebHandler':
      return { likeness: 'handler', kind: 'http' }
    case 'TriggerHandler':
      return { likeness: 'handler', kind: 'trigger' }
    default:
  }
  const written = functionOf(declaration)
  if (written) return lookAtFunction(name, written, types)
  return types.mentions(wholeType) ? { likeness: 'perhaps', kind: 'http' } : NOTHING
}

function satisfied(initializer: ts.Expression | undefined): ts.TypeNode | undefined {
  return initializer && ts.isSatisfiesExpression(initializer) ? initializer.type : undefined
}

function lookAtFunction(name: string, written: ts.FunctionLikeDeclaration, types: HandlerTypes): Look {
  const parameters = written.parameters.filter(({ name: id }) => id.getText() !== 'this')
  const parameterTypes = parameters.map(parameter => parameter.type ?? ts.getJSDocType(parameter))
  const returnType = written.type ?? ts.getJSDocReturnType(written)
  const [first, second, third] = parameterTypes.map(type => types.nameOf(type))
  const returned = types.nameOf(returnType)
  const count = parameters.length
  const isContext = (type: string | undefined, index: number) => count <= index || type === 'FunctionContext'
  const sure = (isSure: boolean): Likeness => (isSure ? 'handler' : 'perhaps')

  if (first === 'Service') return { likeness: sure(name === 'main' && count === 1), kind: 'service' }
  if (first === 'DocumentEvent') return { likeness: sure(count <= 2 && isContext(second, 1)), kind: 'trigger' }
  if (first === 'IncomingMessage' && second === 'ServerResponse') {
    const isVoid = returnType === undefined || returned === 'void'
    return { likeness: sure(isVoid && count <= 3 && isContext(third, 2)), kind: 'http' }
  }
  const isWeb = count === 0 || (first === 'Request' && count <= 2 && isContext(second, 1))
  if (isWeb && returned === 'Response') return { likeness: 'handler', kind: 'http' }
  const mentioned = [...parameterTypes, returnType].some(type => types.mentions(type))
  return mentioned ? { likeness: 'perhaps', kind: 'http' } : NOTHING
}
