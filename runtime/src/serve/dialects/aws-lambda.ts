/**
 * AWS Lambda: requests as the events of a function URL or of API Gateway, the body as an event, and an asynchronous call
 * as a record of SQS. Handlers answer by promise or by callback, or stream.
 */
import { totalmem } from 'node:os'
import type { FunctionContext } from '../../context.ts'
import type { HttpHandler } from '../../handlers.ts'
import { mismatch, type Adapted, type Surroundings } from './adapter.ts'
import { hasBody, isJson, mediaTypeOf, readBody } from './body.ts'
import { gatewayEvent, gatewayResult, sendResult, urlEvent, urlResult } from './lambda-http.ts'
import { isStreaming, responseStream } from './lambda-streams.ts'
import { failuresOf, queueEvent } from './lambda-queue.ts'

export { provideAwslambda } from './lambda-streams.ts'

interface LambdaOptions {
  /** `url`: function URLs and API Gateway v2; `gateway`: API Gateway v1; `payload`: what the body says, as JSON. */
  event: 'url' | 'gateway' | 'queue' | 'payload'
}

interface LambdaContext {
  awsRequestId: string
  getRemainingTimeInMillis(): number
  done?: Callback
  succeed?(result: unknown): void
  fail?(error: unknown): void
}

type Callback = (error: unknown, result?: unknown) => void
type LambdaHandler = (event: unknown, context: object, callback: Callback) => unknown
type StreamHandler = (event: unknown, stream: object, context: object) => unknown

export async function awsLambda(
  exported: unknown,
  { event: kind }: LambdaOptions,
  surroundings: Surroundings,
): Promise<Adapted> {
  const lambda = (await exported) as LambdaHandler
  if (typeof lambda !== 'function') throw mismatch(surroundings, 'a handler')
  const memoryLimitInMB = String(Math.round((process.constrainedMemory() || totalmem()) / 1024 ** 2))
  const fixed = { ...fixedContext(surroundings), memoryLimitInMB }

  const handler: HttpHandler = async (request, response, context) => {
    const body = hasBody(request) ? await readBody(request) : NOTHING
    const received = { request, body, context, name: surroundings.name }
    const lambdaContext = contextOf(fixed, context)
    if (isStreaming(lambda)) {
      await (lambda as StreamHandler)(urlEvent(received), responseStream(response), lambdaContext)
      return
    }
    switch (kind) {
      case 'url':
        return sendResult(response, urlResult(await run(lambda, urlEvent(received), lambdaContext)))
      case 'gateway':
        return sendResult(response, gatewayResult(await run(lambda, gatewayEvent(received), lambdaContext)))
      case 'queue': {
        const failures = failuresOf(await run(lambda, queueEvent(received), lambdaContext))
        if (failures > 0) throw new Error('The handler reported the record as failed (batchItemFailures)')
        return void response.writeHead(204).end()
      }
      case 'payload': {
        const text = body.toString()
        const payload: unknown = isJson(mediaTypeOf(request)) || text !== '' ? parsed(text) : {}
        if (payload === INVALID) return sendResult(response, { status: 400, body: 'The body is not JSON.' })
        const result = await run(lambda, payload, lambdaContext)
        return sendResult(response, { headers: { 'content-type': 'application/json' }, body: jsonOf(result) })
      }
    }
  }
  return { handler: { style: 'node', takesContext: true, handler } }
}

const NOTHING = Buffer.alloc(0)

/** A handler that neither takes a callback nor returns a promise is done when it returns. */
function run(lambda: LambdaHandler, event: unknown, context: LambdaContext): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => reject(error instanceof Error ? error : new Error(String(error)))
    const callback: Callback = (error, result) => (error ? fail(error) : resolve(result))
    const returned = lambda(event, Object.assign(context, { done: callback, succeed: resolve, fail }), callback)
    if (isThenable(returned)) returned.then(resolve, reject)
    else if (lambda.length < 3) resolve(returned)
  })
}

function fixedContext({ name, version }: Surroundings): object {
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName: name,
    functionVersion: String(version),
    invokedFunctionArn: `arn:aws:lambda:local:000000000000:function:${name}`,
    logGroupName: `/aws/lambda/${name}`,
    logStreamName: `${name}/[${version}]`,
  }
}

function contextOf(fixed: object, { requestId, remainingMs }: FunctionContext): LambdaContext {
  return {
    ...fixed,
    awsRequestId: requestId,
    getRemainingTimeInMillis: () => Math.min(Math.floor(remainingMs()), Number.MAX_SAFE_INTEGER),
  }
}

const INVALID = Symbol('no JSON')

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return INVALID
  }
}

function jsonOf(value: unknown): string {
  return JSON.stringify(value) ?? 'null'
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === 'function'
}
