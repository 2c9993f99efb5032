/** Handlers of AWS Lambda: typed by `@types/aws-lambda`, or made by `awslambda.streamifyResponse`. */
import { ts } from 'ts-morph'
import { problemAt, type Finding } from '../findings.ts'
import type { HandlerShape } from '../handler-shape.ts'
import { isAny, isUnresolved } from '../judge-handler.ts'
import type { Candidate, Dialect, Recognized } from './dialect.ts'
import { isDeclaredBy, nameOfType, valueOf } from './origins.ts'

export type LambdaEvent = 'url' | 'gateway' | 'queue' | 'payload'

const TYPES = 'aws-lambda'

export const awsLambda: Dialect = {
  name: 'AWS Lambda',
  adapters: ['awsLambda', 'provideAwslambda'],
  recognize(candidate) {
    if (isStreaming(candidate)) return lambda('url')
    for (const shape of candidate.shapes) {
      if (!shape.parameters.some(({ type }) => isDeclaredBy(type, TYPES)) && !isDeclaredBy(candidate.type, TYPES))
        continue
      const event = eventOf(candidate, shape.parameters[0]?.type)
      return typeof event === 'string' ? lambda(event) : event
    }
    return undefined
  },
}

/** Its module may use the global `awslambda` while it loads. */
export function lambda(event: LambdaEvent): Recognized {
  return { form: 'AWS Lambda', adapter: { name: 'awsLambda', options: { event }, setup: 'provideAwslambda' } }
}

function isStreaming({ checker, symbol }: Candidate): boolean {
  const value = valueOf(checker, symbol)
  return (
    value !== undefined &&
    ts.isCallExpression(value) &&
    /^(?:globalThis\.)?awslambda\.streamifyResponse$/.test(value.expression.getText())
  )
}

function eventOf(candidate: Candidate, type: ts.Type | undefined): LambdaEvent | Finding {
  const { checker, node, name } = candidate
  if (!type || type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) return 'url'
  for (const member of type.isUnion() ? type.types : [type]) {
    const has = (property: string) => checker.getPropertyOfType(member, property) !== undefined
    if (has('rawPath')) return 'url'
    if (has('httpMethod') && has('resource')) return 'gateway'
    if (nameOfType(member) === 'SQSEvent') return 'queue'
  }
  if (!isDeclaredBy(type, TYPES)) return 'payload'
  return problemAt(node, {
    code: 'wrong-parameters',
    message: `"${name}" takes ${nameOfType(type) ?? 'an event'} of AWS Lambda, which nothing here sends`,
    hint: 'Take APIGatewayProxyEventV2, LambdaFunctionURLEvent, APIGatewayProxyEvent or SQSEvent, or a type of your own: the JSON of the body',
  })
}

/** For a handler without types: what it reads of its event. */
export function eventByUse(members: ReadonlySet<string>): LambdaEvent {
  if (members.has('Records')) return 'queue'
  return ['httpMethod', 'resource', 'path', 'multiValueHeaders'].some(name => members.has(name)) ? 'gateway' : 'url'
}

/** Whether a function without a response to write to answers as Lambda's do. */
export function returnsLambdaResult(checker: ts.TypeChecker, { parameters, result }: HandlerShape): boolean {
  // Not the error of a type that was not found.
  if (isAny(result)) return parameters.length > 0 && !isUnresolved(result)
  const members = result.isUnion() ? result.types : [result]
  return members.some(member =>
    ['statusCode', 'batchItemFailures'].some(name => checker.getPropertyOfType(member, name) !== undefined),
  )
}
