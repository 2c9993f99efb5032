/**
 * Finds what might be handlers by syntax alone, in a millisecond: what is exported, and whether its types are written
 * like those of a handler. The checker decides later.
 */
import { ts } from 'ts-morph'
import type { Candidate, Likeness, Outline } from '../protocol.ts'
import { HandlerTypes } from './handler-types.ts'
import {
  exportsOf,
  extentOf,
  functionOf,
  hasFetch,
  isWhole,
  nameFromPath,
  parse,
  rangeOfNode,
  type Exported,
} from './source.ts'

export function outlineOf(file: string, text: string): Outline {
  const source = parse(file, text)
  const types = new HandlerTypes(source)
  const exported = exportsOf(source)
  const candidates = withoutRoutes(source, exported).map(one => candidate(one, types))
  return { candidates: [...new Map(candidates.map(found => [found.name, found])).values()], isWhole: isWhole(source) }
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** The methods of a route module are one function, at the place of the first, if the module has no default export. */
function withoutRoutes(source: ts.SourceFile, exported: Exported[]): Exported[] {
  const first = exported.find(({ name, isDefault }) => METHODS.has(name) && !isDefault)
  if (!first || exported.some(({ isDefault }) => isDefault)) return exported
  const routes: Exported = { ...first, name: nameFromPath(source.fileName), isDefault: true }
  return exported.flatMap(one => (one === first ? [routes] : METHODS.has(one.name) ? [] : [one]))
}

function candidate({ name, nameNode, declaration, isDefault }: Exported, types: HandlerTypes): Candidate {
  return {
    name,
    range: rangeOfNode(nameNode),
    extent: extentOf(declaration ?? nameNode),
    ...(declaration ? look(name, declaration, types) : NOTHING),
    ...(isDefault && { isStandard: true }),
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
    case 'CloudEventHandler':
      return { likeness: 'handler', kind: 'trigger' }
    default:
  }
  const written = functionOf(declaration)
  const own = written ? lookAtFunction(name, written, types) : types.mentions(wholeType) ? PERHAPS : NOTHING
  return own.likeness === 'none' && mayBeDialect(declaration, wholeType) ? PERHAPS : own
}

const PERHAPS: Look = { likeness: 'perhaps', kind: 'http' }
/** Calls that make an app, in the words of its documentation. */
const MAKERS =
  /^(?:new (?:Hono|H3|Koa|OpenAPIHono)|(?:await )?(?:express|connect|[Ff]astify|createYoga|NestFactory\.create|awslambda\.streamifyResponse))\b/
/** Types of other platforms' handlers and their parameters. */
const TYPES =
  /\b(?:APIGatewayProxy\w+|LambdaFunctionURL\w+|SQS(?:Handler|Event)|Handler<|Vercel(?:Request|ApiHandler)|NextApi(?:Request|Handler)|NextRequest|HttpFunction|CloudEvent\w*|ExportedHandler)/
/** What a handler of OpenFaaS, and one of Lambda, does, where nothing is typed. */
const ANSWERS = /\.status\([^)]*\)\s*\.(?:succeed|fail|json|send)\(|\bstatusCode\b/

/** Written for another platform, by the words: the checker decides. */
function mayBeDialect(declaration: ts.Node, wholeType: ts.TypeNode | undefined): boolean {
  const value = ts.isVariableDeclaration(declaration) ? declaration.initializer : declaration
  if (value && ts.isExpression(value) && (hasFetch(value) || MAKERS.test(value.getText()))) return true
  if (wholeType && TYPES.test(wholeType.getText())) return true
  const written = functionOf(declaration)
  if (!written) return value !== undefined && ts.isSatisfiesExpression(value) && hasFetch(value.expression)
  if (written.parameters.some(({ type }) => type !== undefined && TYPES.test(type.getText()))) return true
  return written.parameters.length === 2 && ANSWERS.test(written.getText())
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
  if (first === 'DocumentEvent' || first === 'CloudEvent')
    return { likeness: sure(count <= 2 && isContext(second, 1)), kind: 'trigger' }
  if (first === 'IncomingMessage' && second === 'ServerResponse') {
    const isVoid = returnType === undefined || returned === 'void'
    return { likeness: sure(isVoid && count <= 3 && isContext(third, 2)), kind: 'http' }
  }
  const isWeb = count === 0 || (first === 'Request' && count <= 2 && isContext(second, 1))
  if (isWeb && returned === 'Response') return { likeness: 'handler', kind: 'http' }
  const mentioned = [...parameterTypes, returnType].some(type => types.mentions(type))
  return mentioned ? { likeness: 'perhaps', kind: 'http' } : NOTHING
}
