import { afterEach, beforeEach, expect, it } from 'vitest'
import { STREAMS, subjectOf } from '../../bus/index.ts'
import { cancelCall, getAnswer, redriveCall } from '../../calls/index.ts'
import { Stage, TOKEN, until } from './dispatcher-testing.ts'

let stage: Stage

beforeEach(async () => {
  stage = await Stage.open()
})
afterEach(() => stage.end())

it('sends a call to the proxy as it was accepted, with its id and attempt, and stores the response', async () => {
  const proxy = await stage.server((_request, response) => {
    response.writeHead(201, { 'content-type': 'text/plain', 'x-own': 'é' })
    response.end('created')
  })
  await stage.deploy({})
  await stage.dispatcher(proxy)
  const callId = await stage.call({
    method: 'PUT',
    path: '/a%20b?x=1&x=2',
    headers: [
      ['Host', 'example.test'],
      ['X-Twice', 'a'],
      ['x-twice', 'b'],
      ['Connection', 'X-Hop'],
      ['X-Hop', '1'],
      ['Content-Length', '3'],
      ['Expect', '100-continue'],
      ['X-Call-Id', 'forged'],
      ['X-Forwarded-For', '10.0.0.1'],
      ['traceparent', 'the caller its own'],
    ],
    body: Buffer.from([0, 255, 10]),
    requestId: 'request-1',
    clientAddress: '192.0.2.1',
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  })
  const call = await stage.final(callId)
  const request = proxy.received[0]!
  expect(request).toMatchObject({ method: 'PUT', url: '/functions/fn/a%20b?x=1&x=2', callId, attempt: 1 })
  expect(request.body).toEqual(Buffer.from([0, 255, 10]))
  const { rawHeaders, headers } = request
  expect(rawHeaders.filter((_, i) => i % 2 === 1 && /^x-twice$/i.test(rawHeaders[i - 1]!))).toEqual(['a', 'b'])
  expect(headers).toMatchObject({
    host: 'example.test',
    'x-request-id': 'request-1',
    'x-forwarded-for': '10.0.0.1, 192.0.2.1',
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    'x-ryo-faas-dispatch': TOKEN,
  })
  expect(headers).not.toHaveProperty('x-hop')
  expect(headers).not.toHaveProperty('expect')

  expect(call).toMatchObject({ status: 'succeeded', attempts: [{ number: 1, outcome: 201 }] })
  expect(call.result).toMatchObject({ status: 201, bodyBytes: 7, body: 'created' })
  expect(call.result!.headers).toContainEqual(['x-own', 'é'])
  await until(() => stage.isEmpty(STREAMS.calls), 'the call left the queue')
})

it('carries 10 MiB there and back, and keeps no request body of a final call', async () => {
  const proxy = await stage.server(({ body }, response) => response.end(body))
  await stage.deploy({})
  await stage.dispatcher(proxy)
  const body = Buffer.alloc(10 * 1024 * 1024, 'ab')
  const callId = await stage.call({ body })
  expect(await stage.final(callId)).toMatchObject({ status: 'succeeded', result: { bodyBytes: body.length } })
  expect((await getAnswer(stage.bus, callId))!.body!.equals(body)).toBe(true)
  await until(() => stage.isEmpty(STREAMS.bodies), 'the request body is gone')
})

it('treats a call whose result is too large as succeeded, and says so, also in its callback', async () => {
  const proxy = await stage.server((_request, response) => response.end('x'.repeat(1_001)))
  await stage.deploy({})
  await stage.dispatcher(proxy, { resultLimitBytes: 1_000 })
  const receiver = await stage.server()
  const call = await stage.final(await stage.call({ callbackUrl: receiver.url }))
  const result = { bodyBytes: 1_001, tooLarge: true }
  expect(call).toMatchObject({ status: 'succeeded', error: { code: 'RESULT_TOO_LARGE' }, result })
  expect(await getAnswer(stage.bus, call.id)).toMatchObject({ status: 200, body: undefined, bodyBytes: 1_001 })
  await until(() => receiver.received.length === 1, 'it is called back')
  expect(receiver.received[0]!.headers).toMatchObject({
    'x-function-status': '200',
    'x-ryo-faas-error': 'RESULT_TOO_LARGE',
  })
})

it('retries with growing gaps until it works', async () => {
  const proxy = await stage.server(({ attempt }, response) => {
    response.statusCode = attempt < 3 ? 500 : 200
    response.end(`attempt ${attempt}`)
  })
  await stage.deploy({ async: { backoffMs: 60 } })
  await stage.dispatcher(proxy)
  const call = await stage.final(await stage.call())
  expect(call).toMatchObject({
    status: 'succeeded',
    attempts: [
      { number: 1, outcome: 500 },
      { number: 2, outcome: 500 },
      { number: 3, outcome: 200 },
    ],
    result: { body: 'attempt 3' },
  })
  const [first, second, third] = proxy.received.map(({ at }) => at) as [number, number, number]
  expect(second - first).toBeGreaterThanOrEqual(30)
  expect(third - second).toBeGreaterThanOrEqual(60)
  expect(call.attempts[0]!.retryAt! < call.attempts[1]!.startedAt).toBe(true)
  expect(call).not.toHaveProperty('nextAttemptAt')
})

it('makes a call dead when its attempts are used up; redriven after the repair it succeeds', async () => {
  let isBroken = true
  const proxy = await stage.server((_request, response) => {
    response.statusCode = isBroken ? 500 : 200
    response.end('answer')
  })
  await stage.deploy({ async: { attempts: 2, backoffMs: 5 } })
  await stage.dispatcher(proxy)
  const callId = await stage.call({ body: Buffer.alloc(600 * 1024, 1) })
  expect(await stage.final(callId)).toMatchObject({
    status: 'dead',
    attempts: [{ outcome: 500 }, { outcome: 500 }],
    error: { code: 'FUNCTION_STATUS' },
    result: { status: 500, body: 'answer' },
  })
  await until(() => stage.isEmpty(STREAMS.calls), 'the call left the queue')
  isBroken = false
  expect(await redriveCall(stage.bus, callId)).toMatchObject({ kind: 'queued' })
  const call = await stage.final(callId)
  expect(call).toMatchObject({
    status: 'succeeded',
    attempts: [{ number: 1 }, { number: 2 }, { number: 3, outcome: 200 }],
  })
  expect(call).not.toHaveProperty('error')
  expect(proxy.received.at(-1)!.body).toHaveLength(600 * 1024)
  await until(() => stage.isEmpty(STREAMS.bodies), 'the request body is gone')
})

it.each([400, 404, 409, 422])('does not retry after %i', async status => {
  const proxy = await stage.server((_request, response) => {
    response.statusCode = status
    response.end('no')
  })
  await stage.deploy({})
  await stage.dispatcher(proxy)
  const call = await stage.final(await stage.call())
  expect(call).toMatchObject({ status: 'failed', attempts: [{ outcome: status }], result: { status, body: 'no' } })
})

it('waits for as long as Retry-After says', async () => {
  const proxy = await stage.server((_request, response) => response.writeHead(503, { 'retry-after': '30' }).end())
  await stage.deploy({ async: { backoffMs: 1 } })
  await stage.dispatcher(proxy)
  const callId = await stage.call()
  await until(async () => (await stage.view(callId)).nextAttemptAt !== undefined, 'it waits')
  const { nextAttemptAt, attempts } = await stage.view(callId)
  expect(attempts).toMatchObject([{ outcome: 503, retryAt: nextAttemptAt }])
  expect(Date.parse(nextAttemptAt!) - Date.parse(attempts[0]!.finishedAt!)).toBe(30_000)
})

it('retries when the connection breaks or the answer ends early', async () => {
  const proxy = await stage.server(({ attempt }, response, incoming) => {
    if (attempt === 1) incoming.socket.destroy()
    else if (attempt === 2) {
      response.writeHead(200, { 'content-length': '100' })
      response.write('half', () => incoming.socket.destroy())
    } else response.end('whole')
  })
  await stage.deploy({})
  await stage.dispatcher(proxy)
  expect(await stage.final(await stage.call())).toMatchObject({
    status: 'succeeded',
    attempts: [{ outcome: 'PROXY_LOST' }, { outcome: 'CONNECTION_LOST' }, { outcome: 200 }],
    result: { body: 'whole' },
  })
})

it('uses up no attempt while the proxy is down or has no instance, unless that lasts', async () => {
  let refusals = 3
  const proxy = await stage.server((_request, response) => {
    if (refusals-- > 0) response.writeHead(503, { 'x-ryo-faas-error': 'FUNCTION_UNAVAILABLE' })
    response.end()
  })
  await stage.deploy({ async: { attempts: 1 } })
  await proxy.stop()
  await stage.dispatcher(proxy)
  const callId = await stage.call()
  await until(async () => (await stage.view(callId)).error?.code === 'PROXY_UNREACHABLE', 'the proxy was missed')
  await proxy.start()
  const call = await stage.final(callId)
  expect(call).toMatchObject({ status: 'succeeded', attempts: [{ number: 1, outcome: 200 }] })
  expect(call).not.toHaveProperty('error')
  expect(proxy.received.map(({ attempt }) => attempt)).toEqual([1, 1, 1, 1])
})

it('gives up on a proxy that stays down', async () => {
  const proxy = await stage.server()
  await proxy.stop()
  await stage.deploy({ async: { attempts: 2, backoffMs: 5 } })
  await stage.dispatcher(proxy, { unavailableMs: 100 })
  expect(await stage.final(await stage.call())).toMatchObject({
    status: 'dead',
    attempts: [{ outcome: 'PROXY_UNREACHABLE' }, { outcome: 'PROXY_UNREACHABLE' }],
  })
})

it('slows down for instances that refuse work, and loses none of their calls', async () => {
  let running = 0
  const proxy = await stage.server((_request, response) => {
    if (running === 1) {
      response.writeHead(429, { 'x-ryo-faas-error': 'FUNCTION_OVERLOADED' }).end()
      return
    }
    running += 1
    setImmediate(() => {
      running -= 1
      response.end()
    })
  })
  await stage.deploy({ async: { attempts: 1, concurrency: 10 } })
  await stage.dispatcher(proxy)
  const ids = await Promise.all(Array.from({ length: 60 }, () => stage.call()))
  const calls = await Promise.all(ids.map(id => stage.final(id)))
  expect(calls.every(({ status, attempts }) => status === 'succeeded' && attempts.length === 1)).toBe(true)
})

it('lets others run while a call waits for its retry, even one at a time', async () => {
  const proxy = await stage.server(({ body }, response) => {
    response.statusCode = body.toString() === 'poison' ? 500 : 200
    response.end()
  })
  await stage.deploy({ async: { concurrency: 1, backoffMs: 60_000 } })
  await stage.dispatcher(proxy)
  const poisoned = await stage.call({ body: 'poison' })
  await until(async () => (await stage.view(poisoned)).nextAttemptAt !== undefined, 'it waits')
  const others = await Promise.all([1, 2, 3].map(() => stage.call({ body: 'fine' })))
  for (const id of others) expect(await stage.final(id)).toMatchObject({ status: 'succeeded' })
  expect((await stage.view(poisoned)).attempts).toHaveLength(1)
})

it('never runs more at once than the concurrency allows', async () => {
  let running = 0
  let most = 0
  const proxy = await stage.server((_request, response) => {
    most = Math.max(most, (running += 1))
    setImmediate(() => {
      running -= 1
      response.end()
    })
  })
  await stage.deploy({ async: { concurrency: 3 } })
  await stage.dispatcher(proxy)
  const ids = await Promise.all(Array.from({ length: 40 }, () => stage.call()))
  await Promise.all(ids.map(id => stage.final(id)))
  expect(most).toBe(3)
})

it('does not run a call that was cancelled while it waited', async () => {
  const proxy = await stage.server()
  await stage.deploy({ route: 'other' })
  await stage.dispatcher(proxy)
  const callId = await stage.call()
  expect(await cancelCall(stage.bus, callId)).toMatchObject({ kind: 'cancelled' })
  await stage.deploy({})
  const later = await stage.call()
  await stage.final(later)
  expect(proxy.received.map(request => request.callId)).toEqual([later])
  expect(await stage.view(callId)).toMatchObject({ status: 'cancelled', attempts: [] })
})

it('aborts a call that is cancelled while it runs, and frees its place', async () => {
  let isAborted = false
  const proxy = await stage.server(({ body }, response) => {
    if (body.length > 0) response.on('close', () => (isAborted = true))
    else response.end()
  })
  await stage.deploy({ async: { concurrency: 1 } })
  await stage.dispatcher(proxy)
  const callId = await stage.call({ body: 'runs' })
  await until(() => proxy.received.length === 1, 'it runs')
  await cancelCall(stage.bus, callId)
  await until(() => isAborted, 'the request was broken off')
  await stage.final(await stage.call())
  expect(await stage.view(callId)).toMatchObject({ status: 'cancelled', attempts: [{ outcome: 'CANCELLED' }] })
  await until(() => stage.isEmpty(STREAMS.calls), 'it left the queue')
})

it('picks up functions as they are deployed and leaves the calls of removed ones', async () => {
  const proxy = await stage.server()
  await stage.dispatcher(proxy)
  const early = await stage.call({ route: 'late' })
  await stage.deploy({ route: 'late' })
  expect(await stage.final(early)).toMatchObject({ status: 'succeeded' })
  await stage.deploy({ route: 'other' })
  await stage.final(await stage.call({ route: 'other' }))
  const orphan = await stage.call({ route: 'late' })
  await stage.final(await stage.call({ route: 'other' }))
  expect(await stage.view(orphan)).toMatchObject({ status: 'queued' })
})

it('does not accept older or contradicting routes', async () => {
  const proxy = await stage.server()
  await stage.deploy({})
  await stage.dispatcher(proxy)
  await stage.final(await stage.call())
  const route = { name: 'UPPER', displayName: 'UPPER', version: 1, timeoutMs: 1, concurrency: 0, instances: [] }
  await expect(stage.control.setRoutes({ generation: 9, routes: [route] })).rejects.toThrow(/400/)
  expect(await stage.final(await stage.call())).toMatchObject({ status: 'succeeded' })
})

it('fails a message that is not a call, and continues with the next', async () => {
  const proxy = await stage.server()
  await stage.deploy({ async: { concurrency: 1 } })
  await stage.dispatcher(proxy)
  const callId = '01ARZ3NDEKTSV4RRFFQ69G5FAV-fn'
  await stage.bus.publish(subjectOf('call', callId), Buffer.from('garbage'))
  expect(await stage.final(callId)).toMatchObject({ status: 'failed', error: { code: 'MALFORMED_CALL' } })
  const gone = await stage.call({ bodyRef: `${subjectOf('body', callId)}.0`, bodyBytes: 5 })
  expect(await stage.final(gone)).toMatchObject({ status: 'failed', error: { code: 'BODY_LOST' } })
  expect(await stage.final(await stage.call())).toMatchObject({ status: 'succeeded' })
})

it('serves its metrics', async () => {
  let isBroken = true
  const proxy = await stage.server((_request, response) => {
    response.statusCode = isBroken ? 500 : 200
    response.end()
  })
  await stage.deploy({ async: { attempts: 2, backoffMs: 5 } })
  const { port } = await stage.dispatcher(proxy)
  await stage.final(await stage.call())
  isBroken = false
  await stage.final(await stage.call())
  await until(() => stage.isEmpty(STREAMS.calls), 'the queue is empty')
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  for (const line of [
    'faas_invocations_total{faas_name="FN",faas_trigger="async",http_response_status_class="5xx"} 2',
    'faas_invocations_total{faas_name="FN",faas_trigger="async",http_response_status_class="2xx"} 1',
    'faas_invoke_duration_seconds_count{faas_name="FN",faas_trigger="async"} 3',
    'faas_errors_total{faas_name="FN",faas_trigger="async",error_code="FUNCTION_5XX"} 2',
    'faas_async_retries_total{faas_name="FN"} 1',
    'faas_async_dead_total{faas_name="FN"} 1',
    'faas_async_queue_depth{faas_name="FN"} 0',
  ]) {
    expect(text).toContain(line)
  }
  expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200)
})
