/**
 * A function whose parameters have no types takes anything, so it would pass as Node style, and hang if it is something
 * else. What it does with its second parameter decides; without evidence it is refused.
 */
import { ts } from 'ts-morph'
import { problemAt, type Finding } from '../findings.ts'
import type { HandlerShape } from '../handler-shape.ts'
import type { Candidate, Dialect, Recognized } from './dialect.ts'
import { FRAMEWORK, framework, EXPRESS, expressHandler, vercel } from './express-style.ts'
import { eventByUse, lambda, returnsLambdaResult } from './lambda.ts'
import { usesOf, type ParameterUses } from './uses.ts'

/** Of OpenFaaS' context. */
const TEMPLATE = ['succeed', 'fail']
/** What Express, Vercel and others add to Node's response. */
const ADDED = ['send', 'json', 'status', 'redirect']
const ADDED_BY_EXPRESS = ['sendStatus', 'set', 'type', 'cookie', 'render', 'sendFile', 'jsonp', 'location', 'format']
/** Of Node's response. */
const NODE = ['end', 'write', 'writeHead', 'setHeader', 'statusCode', 'flushHeaders', 'on', 'once', 'appendHeader']

export const untyped: Dialect = {
  name: 'function without types',
  adapters: ['openfaas', 'awsLambda', 'expressHandler', 'functionsFramework', 'vercel'],
  recognize(candidate) {
    const [shape] = candidate.shapes
    const written = shape?.declaration
    if (!shape || !written || !('body' in written) || !written.body || written.parameters.length > 3) return undefined
    if (!written.parameters.every(parameter => isUntyped(candidate, parameter))) return undefined
    if (returnsResponse(candidate, shape)) return undefined
    return shape.parameters.length < 2 ? withoutSecond(candidate, shape) : bySecond(candidate, shape)
  },
}

function withoutSecond(candidate: Candidate, shape: HandlerShape): Recognized | undefined {
  const { declaration } = shape
  if (!isAsync(candidate, shape) || !returnsLambdaResult(candidate.checker, shape)) return undefined
  return lambda(eventByUse(usesOf(declaration!, 0).members))
}

function bySecond(candidate: Candidate, shape: HandlerShape): Recognized | Finding | undefined {
  const declaration = shape.declaration!
  const uses = usesOf(declaration, 1)
  const does = (names: string[]) => names.some(name => uses.members.has(name) || uses.chained.has(name))
  if (does(TEMPLATE)) return { form: 'OpenFaaS function', adapter: { name: 'openfaas' } }
  if (does(ADDED) || does(ADDED_BY_EXPRESS)) return expressStyle(candidate, uses)
  if (uses.isPassedOn || does(NODE)) return undefined
  // Not `next()` of a middleware.
  const hasCallback = usesOf(declaration, 2).mostArguments > 1
  if (isAsync(candidate, shape) || hasCallback) return lambda(eventByUse(usesOf(declaration, 0).members))
  if (uses.isUsed && !isLambdaContext(uses)) return undefined
  const second = shape.parameters[1]!
  return problemAt(second.node ?? candidate.node, {
    code: 'never-answers',
    message: `"${candidate.name}" never uses "${second.name}" to answer, so its callers would wait until the timeout`,
    hint:
      'As a Node.js handler, end the response: response.end(…). As a handler of AWS Lambda, make it async and return ' +
      'the result. As a web handler, return a Response',
  })
}

function expressStyle(candidate: Candidate, uses: ParameterUses): Recognized | Finding {
  if (candidate.isInstalled(FRAMEWORK)) return framework({ signature: 'http' })
  if (candidate.isInstalled(EXPRESS)) return expressHandler()
  const onlyExpress = ADDED_BY_EXPRESS.find(name => uses.members.has(name))
  if (onlyExpress === undefined) return vercel('Vercel function')
  return problemAt(candidate.node, {
    code: 'wrong-parameters',
    message: `"${candidate.name}" uses ${onlyExpress}() of Express' response, but Express is not installed`,
    hint: 'Install express, or export the app instead: export const app = express()',
  })
}

/** As opposed to `any` and `unknown` that somebody wrote. What is taken apart has a type of what is taken. */
function isUntyped({ checker }: Candidate, parameter: ts.ParameterDeclaration | ts.JSDocParameterTag): boolean {
  if (!ts.isParameter(parameter) || parameter.type || ts.getJSDocType(parameter)) return false
  if (checker.getTypeAtLocation(parameter).flags & ts.TypeFlags.Any) return true
  const { parent } = parameter
  return ts.isObjectBindingPattern(parameter.name) && !(ts.isExpression(parent) && checker.getContextualType(parent))
}

function isAsync({ checker }: Candidate, { declaration }: HandlerShape): boolean {
  const returned =
    declaration && checker.getSignatureFromDeclaration(declaration as ts.SignatureDeclaration)?.getReturnType()
  return returned !== undefined && checker.getPropertyOfType(returned, 'then') !== undefined
}

function returnsResponse({ checker, types }: Candidate, { result }: HandlerShape): boolean {
  if (result.flags & (ts.TypeFlags.Any | ts.TypeFlags.Never)) return false
  return checker.isTypeAssignableTo(result, types.WebResponse)
}

function isLambdaContext({ members }: ParameterUses): boolean {
  const known = [
    'awsRequestId',
    'functionName',
    'functionVersion',
    'invokedFunctionArn',
    'getRemainingTimeInMillis',
  ].concat(['callbackWaitsForEmptyEventLoop', 'memoryLimitInMB', 'logGroupName', 'logStreamName', 'done'])
  return known.some(name => members.has(name))
}
