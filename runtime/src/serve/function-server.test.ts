import { once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { deferred } from '../testing/deferred.ts'
import { send, serveNode, serveWeb } from '../testing/serve-handler.ts'
import { until } from '../testing/until.ts'

const errors = vi.spyOn(console, 'error')
beforeEach(() => void errors.mockImplementation(() => {}))
afterEach(() => void errors.mockReset())

async function health(port: number): Promise<{ status: string; inflight: number }> {
  return JSON.parse((await send(port, { path: '/.ryo-faas/health' })).body) as { status: string; inflight: number }
}

test('health reports who answers and how much is in flight', async () => {
  const gate = deferred()
  await using served = await serveNode((_request, response) => gate.promise.then(() => void response.end()))
  const running = send(served.port)
  await until(async () => (await health(served.port)).inflight === 1)
  expect(await health(served.port)).toEqual({ status: 'ok', name: 'Tested', version: 3, instance: 'i1', inflight: 1 })
  gate.resolve()
  await running
  await until(async () => (await health(served.port)).inflight === 0)
})

test('it may rest when nothing runs, which includes what was left for after the answer', async () => {
  const [gate, later] = [deferred(), deferred()]
  await using served = await serveNode(async (_request, response, { waitUntil }) => {
    waitUntil(later.promise)
    await gate.promise
    response.end()
  })
  const rest = async (method = 'POST') => (await send(served.port, { method, path: '/.ryo-faas/rest' })).status
  expect([await rest(), await rest('GET')]).toEqual([204, 404])
  const running = send(served.port)
  await until(async () => (await health(served.port)).inflight === 1)
  expect(await rest()).toBe(409)
  gate.resolve()
  await running
  expect(await rest()).toBe(409)
  later.resolve()
  await until(async () => (await rest()) === 204)
})

test('other paths of the platform never reach the handler', async () => {
  await using served = await serveNode((_request, response) => void response.end('ran'))
  expect((await send(served.port, { path: '/.ryo-faas/else' })).status).toBe(404)
})

test('the metrics count what happened', async () => {
  await using served = await serveNode(
    (request, response) => {
      if (request.url === '/ok') response.end()
      if (request.url === '/fail') throw new Error('boom')
    },
    { timeoutMs: 30 },
  )
  for (const path of ['/ok', '/ok', '/fail', '/hang']) await send(served.port, { path })
  const page = await send(served.port, { path: '/.ryo-faas/metrics' })
  const labels = 'faas_name="Tested",faas_trigger="http"'
  expect(page.headers['content-type']).toMatch(/^text\/plain/)
  for (const line of [
    `faas_invocations_total{${labels}} 4`,
    `faas_errors_total{${labels}} 1`,
    `faas_timeouts_total{${labels}} 1`,
    `faas_inflight_invocations{${labels}} 0`,
    `faas_invoke_duration_seconds_bucket{le="+Inf",${labels}} 4`,
    `faas_invoke_duration_seconds_count{${labels}} 4`,
    '# TYPE faas_invoke_duration_seconds histogram',
  ]) {
    expect(page.body).toContain(line + '\n')
  }
  expect(page.body).toContain('process_resident_memory_bytes{')
  expect((await send(served.port, { path: '/.ryo-faas/metrics' })).status).toBe(200)
})

test.each([
  ['its own limit', { timeoutMs: 30 }, {}],
  ["the caller's deadline", { timeoutMs: 60_000 }, { 'x-ryo-faas-deadline-ms': '30' }],
])('an invocation over %s is answered with 504 and aborted', async (_which, overrides, headers) => {
  const aborted = deferred<unknown>()
  await using served = await serveNode(async (_request, response, { signal, remainingMs }) => {
    expect(remainingMs()).toBeLessThanOrEqual(30)
    await once(signal, 'abort')
    aborted.resolve(signal.reason)
    response.writeHead(200)
  }, overrides)
  const answer = await send(served.port, { headers })
  expect(answer).toMatchObject({ status: 504, headers: { 'x-ryo-faas-error': 'FUNCTION_TIMEOUT' } })
  expect(await aborted.promise).toMatchObject({ name: 'TimeoutError' })
  // The late answer is an echo of the deadline, not another error.
  expect(errors).toHaveBeenCalledOnce()
})

test('a web-style handler is cut off at its deadline too, and its late answer is dropped', async () => {
  const cancelled = deferred()
  await using served = await serveWeb(
    async request => {
      await once(request.signal, 'abort')
      return new Response(new ReadableStream({ cancel: () => cancelled.resolve() }))
    },
    { timeoutMs: 30 },
  )
  expect((await send(served.port)).status).toBe(504)
  await cancelled.promise
})

test('a deadline after the headers cuts the connection', async () => {
  await using served = await serveNode((_request, response) => void response.write('part'), { timeoutMs: 30 })
  await expect(send(served.port)).rejects.toThrow(/aborted|hang up/)
})

test('a timeout beyond what a timer can hold does not fire at once', async () => {
  await using served = await serveNode((_request, response) => void setImmediate(() => response.end('ok')), {
    timeoutMs: 2 ** 40,
  })
  expect((await send(served.port)).body).toBe('ok')
})

test('a handler that never settles is given up at the deadline', async () => {
  await using served = await serveNode(
    (_request, response) => {
      response.end('ok')
      return new Promise<void>(() => {})
    },
    { timeoutMs: 50 },
  )
  expect((await send(served.port)).body).toBe('ok')
  await until(async () => (await health(served.port)).inflight === 0)
})

test('over the concurrency the answer is 429 and the handler does not run', async () => {
  const gate = deferred()
  let runs = 0
  await using served = await serveNode(
    async (_request, response) => {
      runs++
      await gate.promise
      response.end()
    },
    { concurrency: 2 },
  )
  const running = [send(served.port), send(served.port)]
  await until(() => runs === 2)
  expect(await send(served.port)).toMatchObject({
    status: 429,
    headers: { 'x-ryo-faas-error': 'FUNCTION_OVERLOADED', 'retry-after': '1' },
  })
  gate.resolve()
  await Promise.all(running)
  await until(async () => (await health(served.port)).inflight === 0)
  expect((await send(served.port)).status).toBe(200)
  expect(runs).toBe(3)
})

test('a body that declares itself too large is refused before the handler runs', async () => {
  let runs = 0
  await using served = await serveNode(
    (request, response) => {
      runs++
      request.pipe(response)
    },
    { bodyLimitBytes: 1_000 },
  )
  const answer = await send(served.port, { method: 'POST' }, Buffer.alloc(5_000_000))
  expect(answer).toMatchObject({
    status: 413,
    headers: { 'x-ryo-faas-error': 'PAYLOAD_TOO_LARGE', connection: 'close' },
  })
  expect(runs).toBe(0)
  expect((await send(served.port, { method: 'POST' }, Buffer.alloc(1_000))).body.length).toBe(1_000)
})

test.each([
  ['in one packet', 2],
  ['for a while', 50],
])('a chunked body found too large %s is refused, and its end never reaches the handler', async (_how, chunks) => {
  let ended = false
  await using served = await serveWeb(
    async request => {
      await request.text().then(() => (ended = true))
      return new Response()
    },
    { bodyLimitBytes: 1_000 },
  )
  const socket = connect(served.port, '127.0.0.1')
  const chunk = `258\r\n${'x'.repeat(0x258)}\r\n`
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n' + chunk.repeat(chunks) + '0\r\n\r\n')
  let received = ''
  for await (const part of socket) received += String(part)
  expect(received).toMatch(/^HTTP\/1.1 413 /)
  expect(received).toContain('PAYLOAD_TOO_LARGE')
  await until(async () => (await health(served.port)).inflight === 0)
  expect(ended).toBe(false)
  expect(errors).not.toHaveBeenCalled()
})

test('a drain finishes what is running, closes its connection, refuses the rest, and ends', async () => {
  const gate = deferred()
  await using served = await serveNode(
    async (_request, response) => {
      await gate.promise
      response.end('finished')
    },
    { drainMs: 5_000 },
  )
  // Opened before the drain; its request follows.
  const socket = connect(served.port, '127.0.0.1')
  await once(socket, 'connect')
  const agent = new Agent({ keepAlive: true })
  await send(served.port, { path: '/.ryo-faas/health', agent })
  const running = send(served.port)
  await until(async () => (await health(served.port)).inflight === 1)

  const drained = served.server.drain()
  expect(served.server.drain()).toBe(drained)
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  let refused = ''
  for await (const part of socket) refused += String(part)
  expect(refused).toMatch(/^HTTP\/1.1 503 .*connection: close.*FUNCTION_UNAVAILABLE/is)
  await until(() =>
    send(served.port).then(
      () => false,
      (error: Error) => error.message.includes('ECONNREFUSED'),
    ),
  )

  gate.resolve()
  expect(await running).toMatchObject({ status: 200, body: 'finished', headers: { connection: 'close' } })
  await drained
  agent.destroy()
})

test('a drain answers requests that came while the process had no time, on connections old and new', async () => {
  await using served = await serveNode((_request, response) => void response.end('ran'), { drainMs: 5_000 })
  const old = connect(served.port, '127.0.0.1')
  await once(old, 'connect')
  old.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(old, 'data')
  const fresh = connect(served.port, '127.0.0.1')
  // From here on timers come first.
  await new Promise(setImmediate)
  const drained = served.server.drain()
  for (const socket of [old, fresh]) socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
  for (const socket of [old, fresh]) {
    let answer = ''
    for await (const part of socket) answer += String(part)
    expect(answer).toMatch(/^HTTP\/1.1 503 .*FUNCTION_UNAVAILABLE/is)
  }
  await drained
})

const FAREWELL =
  /^HTTP\/1.1 102 [^]*x-ryo-faas-instance: i1\r\n\r\nHTTP\/1.1 503 [^]*x-ryo-faas-error: FUNCTION_UNAVAILABLE[^]*connection: close/

/** What is left to read on a connection to its end. */
async function restOf(socket: Socket): Promise<string> {
  let rest = ''
  for await (const part of socket) rest += String(part)
  return rest
}

test('a drain ends idle connections with a word that what may just come was not run, and no others', async () => {
  const gate = deferred()
  await using served = await serveNode(
    async (request, response) => {
      if (request.url === '/held') await gate.promise
      response.end('ran')
    },
    { drainMs: 5_000 },
  )
  const [idle, busy] = [connect(served.port, '127.0.0.1'), connect(served.port, '127.0.0.1')]
  idle.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(idle, 'data')
  busy.write('GET /held HTTP/1.1\r\nHost: a\r\n\r\n')
  await until(async () => (await health(served.port)).inflight === 1)
  const drained = served.server.drain()
  expect(await restOf(idle)).toMatch(FAREWELL)
  gate.resolve()
  expect(await restOf(busy)).toMatch(/^HTTP\/1.1 200 [^]*\r\nran\r\n0\r\n\r\n$|^HTTP\/1.1 200 [^]*\r\n\r\nran$/)
  await drained
})

test('a drain says nothing to who has not shown the key that it wants', async () => {
  await using served = await serveNode((_request, response) => void response.end('ran'), { instanceKey: 'the key' })
  const [stranger, platform] = [connect(served.port, '127.0.0.1'), connect(served.port, '127.0.0.1')]
  platform.write('GET / HTTP/1.1\r\nHost: a\r\nX-Ryo-Faas-Instance-Key: the key\r\n\r\n')
  await Promise.all([once(platform, 'data'), once(stranger, 'connect')])
  const drained = served.server.drain()
  expect(await restOf(platform)).toMatch(FAREWELL)
  expect(await restOf(stranger)).toBe('')
  await drained
})

test('health says so while the instance drains', async () => {
  const gate = deferred()
  await using served = await serveNode((_request, response) => gate.promise.then(() => void response.end()), {
    drainMs: 5_000,
  })
  const running = send(served.port)
  const socket = connect(served.port, '127.0.0.1')
  await once(socket, 'connect')
  await until(async () => (await health(served.port)).inflight === 1)
  const drained = served.server.drain()
  socket.write('GET /.ryo-faas/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  let answer = ''
  for await (const part of socket) answer += String(part)
  expect(answer).toMatch(/^HTTP\/1.1 503 .*"status":"draining".*"inflight":1/s)
  gate.resolve()
  await Promise.all([running, drained])
})

test('what is still running at the end of a drain is aborted and cut', async () => {
  const aborted = deferred<unknown>()
  await using served = await serveNode(
    (_request, _response, { signal }) => void signal.addEventListener('abort', () => aborted.resolve(signal.reason)),
    { drainMs: 10 },
  )
  const running = send(served.port).catch((error: unknown) => error)
  await until(async () => (await health(served.port)).inflight === 1)
  await served.server.drain()
  expect(await aborted.promise).toMatchObject({ name: 'AbortError' })
  expect(await running).toBeInstanceOf(Error)
})

test('an unread body does not block the connection after a 429', async () => {
  await using served = await serveNode(() => {}, { concurrency: 1 })
  const blocker = httpRequest(served.url).on('error', () => {})
  blocker.end()
  await until(async () => (await health(served.port)).inflight === 1)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  for (let round = 0; round < 2; round++) {
    const answer = await send(served.port, { method: 'POST', agent }, Buffer.alloc(500_000))
    expect(answer).toMatchObject({ status: 429, headers: { connection: 'keep-alive' } })
  }
  agent.destroy()
  blocker.destroy()
})
