import { request as httpRequest } from 'node:http'
import { format, inspect } from 'node:util'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { context } from '../context.ts'
import { deferred } from '../testing/deferred.ts'
import { DELIVERED, send, serveNode } from '../testing/serve-handler.ts'

const errors = vi.spyOn(console, 'error')
beforeEach(() => void errors.mockImplementation(() => {}))
afterEach(() => void errors.mockReset())

test('the handler sees the url, the headers and the body as they arrive', async () => {
  await using served = await serveNode(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    response.end(`${request.method} ${request.url} ${request.headers['x-a']} ${body}`)
  })
  const answer = await send(served.port, { method: 'PUT', path: '/a%2fb?c=d', headers: { 'x-a': '1' } }, 'hi')
  expect(answer.body).toBe('PUT /a%2fb?c=d 1 hi')
})

test('a body of 10 MB is echoed unchanged', async () => {
  await using served = await serveNode((request, response) => void request.pipe(response))
  const body = Buffer.alloc(10 * 1024 * 1024, 'x')
  const answer = await send(served.port, { method: 'POST' }, body)
  expect(answer.body.length).toBe(body.length)
})

test('the first chunk arrives before the last is sent', async () => {
  const gate = deferred<void>()
  await using served = await serveNode(async (_request, response) => {
    response.write('first')
    await gate.promise
    response.end('last')
  })
  const reader = (await fetch(served.url)).body!.getReader()
  expect(Buffer.from((await reader.read()).value!).toString()).toBe('first')
  gate.resolve()
  expect(Buffer.from((await reader.read()).value!).toString()).toBe('last')
})

test('a handler may return first and answer later', async () => {
  await using served = await serveNode((_request, response) => void setImmediate(() => response.end('later')))
  expect((await send(served.port)).body).toBe('later')
})

test.each([
  [
    'throws',
    () => {
      throw new Error('boom')
    },
  ],
  [
    'rejects',
    async () => {
      throw new Error('boom')
    },
  ],
  [
    'throws undefined',
    () => {
      throw undefined
    },
  ],
])('a handler that %s is answered with FUNCTION_ERROR, and the log has the error and the id', async (_how, fail) => {
  await using served = await serveNode((_request, response) => {
    response.setHeader('content-encoding', 'gzip')
    return fail()
  })
  const answer = await send(served.port, { headers: { 'x-request-id': 'r-7' } })
  expect(answer.status).toBe(500)
  expect(answer.headers).toMatchObject({ 'x-ryo-faas-error': 'FUNCTION_ERROR', 'x-request-id': 'r-7' })
  expect(answer.headers['content-encoding']).toBeUndefined()
  expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'FUNCTION_ERROR', requestId: 'r-7' } })
  expect(answer.body).not.toContain('boom')
  expect(errors.mock.calls[0]![0]).toContain('r-7')
})

test.each([
  ['cannot be converted', Object.create(null)],
  [
    'throws when its stack is read',
    Object.defineProperty(new Error('boom'), 'stack', { get: () => fail('not this one') }),
  ],
  ['throws when it is printed', { [inspect.custom]: () => fail('not this one') }],
])('an error that %s is still answered', async (_what, thrown: unknown) => {
  // The real console, which inspects what it prints.
  errors.mockImplementation((...parts: unknown[]) => void format(...parts))
  await using served = await serveNode(() => {
    throw thrown
  })
  expect(await send(served.port)).toMatchObject({ status: 500, headers: { 'x-ryo-faas-error': 'FUNCTION_ERROR' } })
})

function fail(message: string): never {
  throw new Error(message)
}

test('a request without an id gets one', async () => {
  await using served = await serveNode((_request, response) => void response.end(context().requestId))
  expect((await send(served.port)).body).toMatch(/^[\da-f-]{36}$/)
})

test('an error after the headers cuts the connection', async () => {
  await using served = await serveNode(async (_request, response) => {
    response.write('part')
    throw new Error('boom')
  })
  await expect(send(served.port)).rejects.toThrow(/aborted|hang up/)
  await using healthy = await serveNode((_request, response) => void response.end('ok'))
  expect((await send(healthy.port)).body).toBe('ok')
})

test('an error after a complete answer leaves the answer alone', async () => {
  await using served = await serveNode(async (_request, response) => {
    response.end('done')
    throw new Error('boom')
  })
  expect(await send(served.port)).toMatchObject({ status: 200, body: 'done' })
})

test('context() works in listeners of the request, with two requests at once', async () => {
  await using served = await serveNode((request, response) => {
    request.on('data', () => {})
    request.on('end', () => setImmediate(() => response.end(context().requestId)))
  })
  const ids = Array.from({ length: 20 }, (_, index) => `r-${index}`)
  const answers = await Promise.all(
    ids.map(id => send(served.port, { method: 'POST', headers: { 'x-request-id': id } }, 'body')),
  )
  expect(answers.map(answer => answer.body)).toEqual(ids)
})

test('the context has name, version, call and attempt', async () => {
  await using served = await serveNode((_request, response, { name, version, callId, attempt, remainingMs }) => {
    response.end(JSON.stringify({ name, version, callId, attempt, forever: remainingMs() === Infinity }))
  })
  const plain = await send(served.port)
  expect(JSON.parse(plain.body)).toEqual({ name: 'Tested', version: 3, attempt: 1, forever: true })
  const called = await send(served.port, { headers: { 'x-call-id': 'c1', 'x-call-attempt': '2', ...DELIVERED } })
  expect(JSON.parse(called.body)).toMatchObject({ callId: 'c1', attempt: 2 })
})

test('the log prints level, request id and text', async () => {
  using info = vi.spyOn(console, 'info').mockImplementation(() => {})
  await using served = await serveNode((_request, response, { log }) => {
    log.info('paid %d', 5, { by: 'me' })
    response.end()
  })
  await send(served.port, { headers: { 'x-request-id': 'r1' } })
  expect(info).toHaveBeenCalledWith("INFO  [r1] paid 5 { by: 'me' }")
})

test('the signal aborts when the client disconnects', async () => {
  const started = deferred<void>()
  const aborted = deferred<unknown>()
  await using served = await serveNode((_request, _response, { signal }) => {
    signal.addEventListener('abort', () => aborted.resolve(context().signal.reason))
    started.resolve()
  })
  const client = httpRequest(served.url).on('error', () => {})
  client.end()
  await started.promise
  client.destroy()
  expect(await aborted.promise).toMatchObject({ name: 'AbortError' })
  expect(errors).not.toHaveBeenCalled()
})
