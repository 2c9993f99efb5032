import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { call, type CallInit } from './call.ts'
import { context } from './context.ts'
import { deferred } from './testing/deferred.ts'
import { send, serveWeb } from './testing/serve-handler.ts'

/** A fake proxy: echoes requests, and never responds below `/functions/slow`. */
const proxy = createServer((request: IncomingMessage, response) => {
  if (request.url?.startsWith('/functions/slow')) return
  response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers }))
})
let proxyUrl: string

beforeAll(async () => {
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
  proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
})
afterAll(() => {
  proxy.closeAllConnections()
  proxy.close()
})

interface Asked {
  method: string
  url: string
  headers: Record<string, string>
}

async function calling(name: string, init?: CallInit, headers: Record<string, string> = {}): Promise<Asked> {
  await using served = await serveWeb(() => call(name, init), { proxyUrl, timeoutMs: 60_000 })
  return JSON.parse((await send(served.port, { headers })).body) as Asked
}

test('request id, trace and remaining time are passed on', async () => {
  const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b' }
  const asked = await calling('Other', { method: 'POST', body: 'x' }, { ...trace, 'x-request-id': 'r1' })
  expect(asked).toMatchObject({ method: 'POST', url: '/functions/other', headers: { ...trace, 'x-request-id': 'r1' } })
  const deadlineMs = Number(asked.headers['x-ryo-faas-deadline-ms'])
  expect(deadlineMs).toBeGreaterThan(0)
  expect(deadlineMs).toBeLessThanOrEqual(60_000)
})

test('the function shows its token to the proxy, in a header that no redirect takes elsewhere', async () => {
  const own = { headers: { authorization: 'Bearer of-the-user' } }
  await using served = await serveWeb(() => call('Other', own), { proxyUrl, token: 'of-the-function' })
  const { headers } = JSON.parse((await send(served.port)).body) as Asked
  expect(headers).toMatchObject({
    authorization: 'Bearer of-the-user',
    'proxy-authorization': 'Bearer of-the-function',
  })
  const shown: (string | undefined)[] = []
  const elsewhere = createServer((request, response) => {
    shown.push(request.headers['proxy-authorization'])
    response.end('{}')
  })
  await new Promise<void>(resolve => elsewhere.listen(0, '127.0.0.1', resolve))
  const { port } = elsewhere.address() as AddressInfo
  const leading = createServer((_request, response) => {
    response.writeHead(302, { location: `http://127.0.0.1:${port}/` }).end()
  })
  await new Promise<void>(resolve => leading.listen(0, '127.0.0.1', resolve))
  try {
    const there = `http://127.0.0.1:${(leading.address() as AddressInfo).port}`
    await using led = await serveWeb(() => call('Other', own), { proxyUrl: there, token: 'of-the-function' })
    await send(led.port)
    expect(shown).toEqual([undefined])
  } finally {
    for (const server of [elsewhere, leading]) {
      server.closeAllConnections()
      server.close()
    }
  }
})

test.each([
  ['/a/b?c=d', '/functions/other/a/b?c=d'],
  ['a', '/functions/other/a'],
  ['?c=d', '/functions/other?c=d'],
  ['', '/functions/other'],
])('the path %j goes to %s', async (path, url) => {
  expect((await calling('Other', { path })).url).toBe(url)
})

test.each([
  ['a path that leaves the function', 'Other', '/../admin'],
  ['a path that leaves it in disguise', 'Other', '/%2e%2e/admin'],
  ['a name that is none', '../other', '/'],
])('%s is refused', async (_what, name, path) => {
  await using served = await serveWeb(
    () => call(name, { path }).catch((error: unknown) => new Response(String(error))),
    { proxyUrl },
  )
  expect((await send(served.port)).body).toContain('TypeError')
})

test('a call is aborted with its invocation', async () => {
  using _silent = vi.spyOn(console, 'error').mockImplementation(() => {})
  const failed = deferred<unknown>()
  await using served = await serveWeb(
    () =>
      call('slow', { signal: new AbortController().signal }).catch((error: unknown) => {
        failed.resolve(error)
        return new Response()
      }),
    { proxyUrl, timeoutMs: 50 },
  )
  expect((await send(served.port)).status).toBe(504)
  expect(await failed.promise).toMatchObject({ name: 'TimeoutError' })
})

test('without the address of a proxy the error names the variable', async () => {
  await using served = await serveWeb(() => call('x').catch((error: unknown) => new Response(String(error))))
  expect((await send(served.port)).body).toContain('RYO_FAAS_PROXY_URL')
})

test('outside an invocation there is no context and no call', async () => {
  expect(() => context()).toThrow('context() works only while a function runs')
  await expect(call('x')).rejects.toThrow('call() works only while a function runs')
})
