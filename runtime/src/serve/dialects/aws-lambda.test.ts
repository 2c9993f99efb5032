import type {
  APIGatewayProxyEvent,
  APIGatewayProxyEventV2,
  APIGatewayProxyHandlerV2,
  APIGatewayProxyResult,
  Context,
  SQSHandler,
} from 'aws-lambda'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DELIVERED, send, serveDialect } from '../../testing/serve-handler.ts'
import { awsLambda, provideAwslambda } from './index.ts'

const errors = vi.spyOn(console, 'error')
beforeEach(() => void errors.mockImplementation(() => {}))
afterEach(() => void errors.mockReset())

type Kind = 'url' | 'gateway' | 'queue' | 'payload'
const serve = (handler: unknown, event: Kind = 'url', timeoutMs = 0) =>
  serveDialect(awsLambda, handler, { options: { event }, timeoutMs })

async function eventOf(event: Kind, ...request: Parameters<typeof send> extends [number, ...infer R] ? R : never) {
  let seen: unknown
  await using served = await serve(async (given: unknown) => {
    seen = given
    return { statusCode: 200 }
  }, event)
  await send(served.port, ...request)
  return seen
}

test('a request is an event of a function URL', async () => {
  const headers = {
    'content-type': 'application/json',
    cookie: 'a=1; b=2',
    'x-forwarded-for': '9.9.9.9, 1.1.1.1',
    'user-agent': 'tests',
    host: 'x.example.test',
    'x-ryo-faas-params': encodeURIComponent('{"id":"7"}'),
  }
  const path = '/a%20b?q=1&q=%202&r='
  const event = (await eventOf('url', { method: 'PUT', path, headers }, '{"ä":1}')) as APIGatewayProxyEventV2
  expect(event).toEqual({
    version: '2.0',
    routeKey: '$default',
    rawPath: '/a%20b',
    rawQueryString: 'q=1&q=%202&r=',
    cookies: ['a=1', 'b=2'],
    headers: expect.objectContaining({ 'user-agent': 'tests', host: 'x.example.test' }),
    queryStringParameters: { q: '1, 2', r: '' },
    pathParameters: { id: '7' },
    requestContext: {
      accountId: 'anonymous',
      apiId: 'Tested',
      domainName: 'x.example.test',
      domainPrefix: 'x',
      http: { method: 'PUT', path: '/a%20b', protocol: 'HTTP/1.1', sourceIp: '9.9.9.9', userAgent: 'tests' },
      requestId: expect.any(String),
      routeKey: '$default',
      stage: '$default',
      time: expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
      timeEpoch: expect.any(Number),
    },
    body: '{"ä":1}',
    isBase64Encoded: false,
  })
  expect(event.headers).not.toHaveProperty('x-ryo-faas-params')
})

test('a request is an event of API Gateway, version 1', async () => {
  const headers = { 'content-type': 'application/octet-stream', 'x-a': ['1', '2'] as unknown as string }
  const event = await eventOf('gateway', { method: 'POST', path: '/a/b?q=1&q=2', headers }, Buffer.from([0, 255]))
  expect(event).toMatchObject({
    resource: '/{proxy+}',
    path: '/a/b',
    httpMethod: 'POST',
    multiValueHeaders: { 'x-a': ['1', '2'] },
    queryStringParameters: { q: '2' },
    multiValueQueryStringParameters: { q: ['1', '2'] },
    pathParameters: { proxy: 'a/b' },
    stageVariables: null,
    requestContext: { identity: { sourceIp: '127.0.0.1', user: null } },
    body: 'AP8=',
    isBase64Encoded: true,
  } satisfies Partial<Record<keyof APIGatewayProxyEvent, unknown>>)
  const bare = { queryStringParameters: null, pathParameters: null, body: null, isBase64Encoded: false }
  expect(await eventOf('gateway')).toMatchObject(bare)
})

test.each([
  ['text', 'hi', { status: 200, type: 'application/json', body: 'hi' }],
  ['an object without a status', { a: 1 }, { status: 200, type: 'application/json', body: '{"a":1}' }],
  ['nothing', undefined, { status: 200, type: 'application/json', body: 'null' }],
  ['a status', { statusCode: 204 }, { status: 204, body: '' }],
  [
    'a page',
    { statusCode: 201, headers: { 'Content-Type': 'text/html' }, body: '<p>' },
    { status: 201, type: 'text/html', body: '<p>' },
  ],
  ['bytes', { statusCode: 200, body: 'aGk=', isBase64Encoded: true }, { status: 200, body: 'hi' }],
])(
  '%s is a result for a function URL',
  async (_what, result, { status, type, body }: { status: number; type?: string; body: string }) => {
    await using served = await serve(async () => result)
    const answer = await send(served.port)
    expect(answer).toMatchObject({ status, body })
    if (type !== undefined) expect(answer.headers['content-type']).toBe(type)
  },
)

test('cookies of version 2 and headers of several values of version 1 are sent one by one', async () => {
  await using url = await serve(async () => ({ statusCode: 200, cookies: ['a=1', 'b=2'] }))
  expect((await send(url.port)).headers['set-cookie']).toEqual(['a=1', 'b=2'])
  const result: APIGatewayProxyResult = {
    statusCode: 200,
    multiValueHeaders: { 'Set-Cookie': ['a=1', 'b=2'] },
    body: '',
  }
  await using gateway = await serve(async () => result, 'gateway')
  expect((await send(gateway.port)).headers['set-cookie']).toEqual(['a=1', 'b=2'])
  await using malformed = await serve(async () => ({ hello: 1 }), 'gateway')
  expect((await send(malformed.port)).status).toBe(500)
})

test('a handler may answer by callback, in either way', async () => {
  const byCallback = (_event: unknown, _context: unknown, callback: (error: unknown, result: unknown) => void) =>
    void setImmediate(() => callback(null, { statusCode: 202 }))
  const failing = (_event: unknown, _context: unknown, callback: (error: unknown) => void) => callback('boom')
  await using good = await serve(byCallback)
  await using bad = await serve(failing)
  await using plain = await serve(() => ({ statusCode: 203 }))
  expect((await send(good.port)).status).toBe(202)
  expect((await send(bad.port)).status).toBe(500)
  expect((await send(plain.port)).status).toBe(203)
})

test('the context has what Lambda tells of the invocation', async () => {
  const handler: APIGatewayProxyHandlerV2 = async (_event, context: Context) => ({
    statusCode: 200,
    body: JSON.stringify({ ...context, left: context.getRemainingTimeInMillis() }),
  })
  await using served = await serve(handler, 'url', 5_000)
  const seen = JSON.parse((await send(served.port, { headers: { 'x-request-id': 'r1' } })).body) as Context & {
    left: number
  }
  expect(seen).toMatchObject({ functionName: 'Tested', functionVersion: '3', awsRequestId: 'r1' })
  expect(Number(seen.memoryLimitInMB)).toBeGreaterThan(0)
  expect(seen.left).toBeGreaterThan(0)
  expect(seen.left).toBeLessThanOrEqual(5_000)
})

test('a streaming handler writes the response, with or without metadata', async () => {
  provideAwslambda()
  const { awslambda } = globalThis as unknown as {
    awslambda: {
      streamifyResponse<T>(handler: T): T
      HttpResponseStream: { from(stream: NodeJS.WritableStream, metadata: object): NodeJS.WritableStream }
    }
  }
  const plain = awslambda.streamifyResponse(
    async (_event: unknown, stream: NodeJS.WritableStream & { setContentType(type: string): void }) => {
      stream.setContentType('text/plain')
      stream.write('one ')
      stream.end('two')
    },
  )
  const rich = awslambda.streamifyResponse(async (event: APIGatewayProxyEventV2, stream: NodeJS.WritableStream) => {
    const metadata = { statusCode: 206, headers: { 'x-a': '1' }, cookies: ['a=1'] }
    awslambda.HttpResponseStream.from(stream, metadata).end(event.rawPath)
  })
  await using first = await serve(plain)
  await using second = await serve(rich)
  expect(await send(first.port)).toMatchObject({ body: 'one two', headers: { 'content-type': 'text/plain' } })
  expect(await send(second.port, { path: '/a' })).toMatchObject({
    status: 206,
    body: '/a',
    headers: { 'x-a': '1', 'set-cookie': ['a=1'] },
  })
  delete (globalThis as { awslambda?: unknown }).awslambda
})

test('a call is a record of a queue, and a record that failed fails the call', async () => {
  const batches: unknown[] = []
  const handler: SQSHandler = async ({ Records }) => {
    batches.push(
      Records.map(({ messageId, body, attributes }) => [messageId, body, attributes.ApproximateReceiveCount]),
    )
    return { batchItemFailures: Records[0]!.body === 'bad' ? [{ itemIdentifier: Records[0]!.messageId }] : [] }
  }
  await using served = await serve(handler, 'queue')
  const headers = { 'x-call-id': 'c1', 'x-call-attempt': '2', ...DELIVERED }
  expect((await send(served.port, { method: 'POST', headers }, 'good')).status).toBe(204)
  expect((await send(served.port, { method: 'POST', headers }, 'bad')).status).toBe(500)
  expect(batches).toEqual([[['c1', 'good', '2']], [['c1', 'bad', '2']]])
})

test('an event of its own type is what the body says, and the result is the answer', async () => {
  await using served = await serve(async ({ a = 0 }: { a?: number }) => ({ sum: a + 1 }), 'payload')
  const headers = { 'content-type': 'application/json' }
  expect((await send(served.port, { method: 'POST', headers }, '{"a":1}')).body).toBe('{"sum":2}')
  expect((await send(served.port)).body).toBe('{"sum":1}')
  expect((await send(served.port, { method: 'POST', headers }, '{')).status).toBe(400)
})
