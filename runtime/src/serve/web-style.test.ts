import { Agent, request as httpRequest } from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { context } from '../context.ts'
import { deferred } from '../testing/deferred.ts'
import { send, serveNode, serveWeb } from '../testing/serve-handler.ts'
import { until } from '../testing/until.ts'

const errors = vi.spyOn(console, 'error')
beforeEach(() => void errors.mockImplementation(() => {}))
afterEach(() => void errors.mockReset())

test('the request has method, headers, body and the url that the client used', async () => {
  await using served = await serveWeb(async request =>
    Response.json([request.method, request.url, request.headers.get('x-a'), await request.text()]),
  )
  const headers = { 'x-a': '1', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'faas.example:8443, inner' }
  const answer = await send(served.port, { method: 'PATCH', path: '/b/..%2f?c=d', headers }, 'hi')
  expect(JSON.parse(answer.body)).toEqual(['PATCH', 'https://faas.example:8443/b/..%2f?c=d', '1', 'hi'])
})

test('a framework that takes the context for its own may write its parameters to it', async () => {
  await using served = await serveWeb((_request, given) =>
    Response.json(Object.assign(given, { params: { a: 1 } }).params),
  )
  expect((await send(served.port)).body).toBe('{"a":1}')
})

test('without a proxy the url has the host of the request', async () => {
  await using served = await serveWeb(request => new Response(request.url))
  expect((await send(served.port, { path: '//x' })).body).toBe(`${served.url}//x`)
})

test.each(['a@b', 'a/b', 'a b', 'a?b', ''])('a host of %j is answered with 400', async host => {
  await using served = await serveWeb(() => new Response('ran'))
  const answer = await send(served.port, { headers: { 'x-forwarded-host': host } })
  expect(answer).toMatchObject({ status: 400, headers: { 'x-ryo-faas-error': 'BAD_REQUEST' } })
})

test('a body of 10 MB is echoed unchanged', async () => {
  await using served = await serveWeb(request => new Response(request.body))
  const body = Buffer.alloc(10 * 1024 * 1024, 'x')
  const answer = await send(served.port, { method: 'POST' }, body)
  expect(answer.body.length).toBe(body.length)
})

test('a short answer goes out in one piece with its length, a body of unknown length in chunks', async () => {
  await using served = await serveWeb(request =>
    request.url.endsWith('short')
      ? new Response('hi')
      : new Response(new ReadableStream({ start: it => void setImmediate(() => setImmediate(() => it.close())) })),
  )
  expect((await send(served.port, { path: '/short' })).headers).toMatchObject({ 'content-length': '2' })
  expect((await send(served.port, { path: '/long' })).headers).toMatchObject({ 'transfer-encoding': 'chunked' })
})

test('the headers arrive before the first chunk, and that before the last is sent', async () => {
  const stream = new TransformStream<Uint8Array, Uint8Array>()
  const writer = stream.writable.getWriter()
  await using served = await serveWeb(() => new Response(stream.readable))
  const response = await fetch(served.url)
  const reader = response.body!.getReader()
  void writer.write(Buffer.from('first'))
  expect(Buffer.from((await reader.read()).value!).toString()).toBe('first')
  void writer.write(Buffer.from('last'))
  expect(Buffer.from((await reader.read()).value!).toString()).toBe('last')
  await writer.close()
  expect((await reader.read()).done).toBe(true)
})

test('a client that reads slowly slows down the handler', async () => {
  let pulled = 0
  const chunk = new Uint8Array(64 * 1024)
  await using served = await serveWeb(
    () => new Response(new ReadableStream({ pull: it => (pulled++ < 2_000 ? it.enqueue(chunk) : it.close()) })),
  )
  const response = await fetch(served.url)
  let before = -1
  await until(async () => {
    await new Promise(resolve => setTimeout(resolve, 20))
    const stalled = pulled === before
    before = pulled
    return stalled
  })
  expect(pulled).toBeLessThan(2_000)
  expect((await response.arrayBuffer()).byteLength).toBe(2_000 * chunk.byteLength)
})

test('several set-cookie headers stay several', async () => {
  await using served = await serveWeb(() => {
    const headers = new Headers({ 'x-a': '1' })
    headers.append('set-cookie', 'a=1')
    headers.append('set-cookie', 'b=2; Path=/')
    return new Response('hi', { status: 201, statusText: 'Made', headers })
  })
  const answer = await send(served.port)
  expect(answer).toMatchObject({ status: 201, headers: { 'set-cookie': ['a=1', 'b=2; Path=/'], 'x-a': '1' } })
})

test.each([204, 304])('an answer of %d has no body', async status => {
  await using served = await serveWeb(() => new Response(null, { status }))
  const answer = await send(served.port)
  expect(answer).toMatchObject({ status, body: '' })
  expect(answer.headers['transfer-encoding']).toBeUndefined()
})

test('an answer without a body says so', async () => {
  await using served = await serveWeb(() => new Response())
  expect((await send(served.port, { method: 'POST' })).headers['content-length']).toBe('0')
})

test('HEAD gets the headers, and the body is cancelled', async () => {
  const cancelled = deferred<void>()
  await using served = await serveWeb(
    () => new Response(new ReadableStream({ cancel: () => cancelled.resolve() }), { headers: { 'x-a': '1' } }),
  )
  expect(await send(served.port, { method: 'HEAD' })).toMatchObject({ status: 200, headers: { 'x-a': '1' }, body: '' })
  await cancelled.promise
})

test('a decoded response of another server can be passed on', async () => {
  await using origin = await serveNode((_request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('hello'))
  })
  await using served = await serveWeb(() => fetch(origin.url))
  const answer = await send(served.port)
  expect(answer.body).toBe('hello')
  expect(answer.headers['content-encoding']).toBeUndefined()
})

test.each([
  ['nothing', undefined, 'undefined'],
  ['null', null, 'null'],
  ['a string', 'hi', 'a string'],
  ['an object', {}, 'an object (Object)'],
])('a handler that returns %s is answered with 500, and the log says what it should be', async (_what, value, told) => {
  await using served = await serveWeb(() => value as unknown as Response)
  expect(await send(served.port)).toMatchObject({ status: 500, headers: { 'x-ryo-faas-error': 'FUNCTION_ERROR' } })
  expect(String(errors.mock.calls[0]![1])).toContain(`must return a Response, but this one returned ${told}`)
})

test.each([
  [
    'a response whose body is used',
    async () => {
      const it = new Response('x')
      await it.text()
      return it
    },
  ],
  ['an error response', () => Response.error()],
  ['a rejection', () => Promise.reject(new Error('boom'))],
  ['a body that fails at once', () => new Response(new ReadableStream({ start: it => it.error(new Error('boom')) }))],
  [
    'a body of numbers',
    () =>
      new Response(
        new ReadableStream({
          start: it => {
            it.enqueue(1)
            it.close()
          },
        }),
      ),
  ],
])('%s is answered with 500', async (_what, handler) => {
  await using served = await serveWeb(handler)
  expect(await send(served.port)).toMatchObject({ status: 500, headers: { 'x-ryo-faas-error': 'FUNCTION_ERROR' } })
})

test('a body that fails in the middle cuts the connection', async () => {
  await using served = await serveWeb(
    () =>
      new Response(
        new ReadableStream({
          start: it => it.enqueue(Buffer.from('part')),
          pull: it => new Promise<void>(resolve => setImmediate(() => resolve(it.error(new Error('boom'))))),
        }),
      ),
  )
  await expect(send(served.port)).rejects.toThrow(/aborted|hang up/)
  expect(errors).toHaveBeenCalledOnce()
})

test('a client that disconnects aborts the signal and cancels the body', async () => {
  const aborted = deferred<unknown>()
  const cancelled = deferred<unknown>()
  await using served = await serveWeb(request => {
    request.signal.addEventListener('abort', () => aborted.resolve(request.signal.reason))
    return new Response(
      new ReadableStream({ start: it => it.enqueue(Buffer.from('x')), cancel: reason => cancelled.resolve(reason) }),
    )
  })
  const client = httpRequest(served.url).on('error', () => {})
  client.on('response', response => response.on('error', () => {}).once('data', () => client.destroy())).end()
  expect(await aborted.promise).toMatchObject({ name: 'AbortError' })
  expect(await cancelled.promise).toMatchObject({ name: 'AbortError' })
})

test('a client that stops within its body fails the read', async () => {
  const read = deferred<unknown>()
  await using served = await serveWeb(async request => {
    await request.text().catch((error: unknown) => read.resolve(error))
    return new Response()
  })
  const client = httpRequest(served.url, { method: 'POST', headers: { 'content-length': '10' } }).on('error', () => {})
  client.write('part', () => client.destroy())
  expect(await read.promise).toBeInstanceOf(Error)
})

test('a handler that ignores or cancels the body answers, and the connection stays open', async () => {
  await using served = await serveWeb(async request => {
    if (request.url.endsWith('cancel')) await request.body!.cancel()
    return new Response(context().requestId)
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const body = Buffer.alloc(300_000)
  for (const path of ['/ignore', '/cancel', '/ignore']) {
    expect(await send(served.port, { method: 'POST', path, agent }, body)).toMatchObject({ status: 200 })
  }
  agent.destroy()
})
