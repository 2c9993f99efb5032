import { randomBytes } from 'node:crypto'
import net from 'node:net'
import { describe, expect, it } from 'vitest'
import { ensureStreams, lastMessage, parseCallId, STREAMS, subjectOf } from '../../../bus/index.ts'
import { startNats } from '../../../bus/testing/nats-server.ts'
import { AS_OPERATOR } from '../../../access/access-testing.ts'
import { call, exchangeRaw, until } from '../proxy-testing.ts'
import { PASS, refused, type Verdict } from '../access/gate.ts'
import { addressOf, ASYNC_ROUTE, busFound, DISPATCH_TOKEN, idOf, useAccepting } from './accepting-testing.ts'

const at = useAccepting()
const { post, kept, queueLength } = at

describe('an asynchronous call', () => {
  it('is kept exactly: method, path, query, headers in their order, bytes', async () => {
    const answer = await exchangeRaw(
      at.proxy,
      'QUERY /functions/FN/a//b%20c?x=%2F&x HTTP/1.1\r\nHost: here:1\r\nX-B: Gr\xfc\xdfe\r\nx-a: 1\r\nX-B: 2\r\n' +
        'Content-Length: 4\r\nConnection: close\r\nX-Request-Id: mine\r\n\r\n\0\xff\r\n',
    )
    const callId = /X-Call-Id: (\S+)/.exec(answer)![1]!
    expect(parseCallId(callId)?.route).toBe('fn')
    expect(answer).toMatch(/^HTTP\/1.1 202 Accepted\r\n[^]*X-Request-Id: mine\r\n/)
    const { head, body } = await kept(callId)
    expect(head).toMatchObject({ method: 'QUERY', path: '/a//b%20c?x=%2F&x', requestId: 'mine', bodyBytes: 4 })
    expect(head.headers).toEqual([
      ['Host', 'here:1'],
      ['X-B', 'Gr\xfc\xdfe'],
      ['x-a', '1'],
      ['X-B', '2'],
      ['Content-Length', '4'],
      ['Connection', 'close'],
      ['X-Request-Id', 'mine'],
    ])
    expect(body).toEqual(Buffer.from('\0\xff\r\n', 'latin1'))
    expect(head.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-02$/)
    expect(at.instance.received()).toBe('')
  })

  it('does not keep what an untrusted caller says of where it comes from', async () => {
    const claims = {
      'X-Forwarded-For': '6.6.6.6',
      'X-Forwarded-Proto': 'https',
      Forwarded: 'x',
      'X-Real-IP': '6.6.6.6',
    }
    const { head } = await kept(idOf(await post('/functions/fn', '', claims)))
    expect(JSON.stringify(head.headers)).not.toMatch(/forwarded|real-ip|6\.6/i)
    expect(head.clientAddress).toBe('127.0.0.1')
  })

  it('carries the trace of its caller', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00'
    const { head } = await kept(idOf(await post('/functions/fn', '', { traceparent, tracestate: 'a=1' })))
    expect(head).toMatchObject({ traceparent, tracestate: 'a=1' })
  })

  it.each<[string, { method: string; body?: string; headers?: Record<string, string> }]>([
    ['GET without a body', { method: 'GET' }],
    ['POST in chunks', { method: 'POST', body: 'abc', headers: { 'transfer-encoding': 'chunked' } }],
  ])('may be a %s', async (_what, options) => {
    const { head, body } = await kept(idOf(await call(at.proxy, '/functions/fn', options)))
    expect(head.method).toBe(options.method)
    expect(body.toString()).toBe(options.body ?? '')
  })

  it('of any function is asked for by Prefer, or by the path', async () => {
    await at.stage.serve(at.proxy, [at.instance])
    const preferred = await post('/functions/fn/x', 'b', { prefer: 'return=minimal, Respond-Async; wait=5' })
    expect(preferred.headers['preference-applied']).toBe('respond-async')
    expect((await kept(idOf(preferred))).head.path).toBe('/x')
    const byPath = await post('/async-function/FN/x?y')
    expect(byPath.headers).not.toHaveProperty('preference-applied')
    expect((await kept(idOf(byPath))).head.path).toBe('/x?y')
    const other = await call(at.proxy, '/functions/fn', { headers: { prefer: 'wait=5' } })
    expect(JSON.parse(other.body)).toMatchObject({ prefer: 'wait=5' })
  })

  it('of no function is 404', async () => {
    expect(await post('/async-function/none')).toMatchObject({ status: 404, code: 'FUNCTION_NOT_FOUND' })
    expect(await post('/functions/none', '', { prefer: 'respond-async' })).toMatchObject({ status: 404 })
    expect(await queueLength()).toBe(0)
  })

  it('cannot carry what only the platform sets', async () => {
    const forged = { 'x-ryo-faas-dispatch': 'guess', 'X-Call-Id': '1', 'x-call-attempt': '2', 'x-mine': '3' }
    const { head } = await kept(idOf(await post('/functions/fn', '', forged)))
    const names = head.headers.map(([name]) => name.toLowerCase())
    expect(names).toContain('x-mine')
    for (const name of ['x-ryo-faas-dispatch', 'x-call-id', 'x-call-attempt']) expect(names).not.toContain(name)
  })

  it('cannot be an upgrade', async () => {
    const headers = { connection: 'upgrade', upgrade: 'websocket' }
    expect(await call(at.proxy, '/functions/fn', { headers })).toMatchObject({
      status: 501,
      code: 'UPGRADE_UNSUPPORTED',
    })
  })

  it('is one of many over one connection', async () => {
    const one = 'POST /functions/fn HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n'
    const answer = await exchangeRaw(at.proxy, `${one}\r\na${one}\r\nb${one}Connection: close\r\n\r\nc`)
    const ids = [...answer.matchAll(/X-Call-Id: (\S+)/g)].map(([, id]) => id!)
    const bodies = await Promise.all(ids.map(async id => (await kept(id)).body.toString()))
    expect(bodies).toEqual(['a', 'b', 'c'])
  })

  it('many at once are all kept, each under an id of its own', async () => {
    const ids = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => idOf(await post('/functions/fn', `${i}`))),
    )
    expect(new Set(ids).size).toBe(200)
    const bodies = await Promise.all(ids.map(async id => (await kept(id)).body.toString()))
    expect(bodies).toEqual(ids.map((_, i) => `${i}`))
  })
})

describe('the body of an asynchronous call', () => {
  it.each([512 * 1024, 512 * 1024 + 1, 10 * 1024 ** 2])('may have %i bytes', async size => {
    const body = randomBytes(size)
    const { head, body: back } = await kept(idOf(await post('/functions/fn', body)))
    expect(head.bodyBytes).toBe(size)
    expect(head.bodyRef === undefined).toBe(size <= 512 * 1024)
    expect(back.equals(body)).toBe(true)
  })

  it('beyond the limit is refused, also where its length is not known before', async () => {
    await at.stage.end()
    at.proxy = await at.stage.proxy({ nats: addressOf(at.nats), asyncBodyLimitBytes: 100_000 })
    await at.stage.serve(at.proxy, [], ASYNC_ROUTE)
    await busFound(at.proxy)
    const body = Buffer.alloc(100_001)
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      expect(await post('/functions/fn', body, headers)).toMatchObject({ status: 413, code: 'PAYLOAD_TOO_LARGE' })
    }
    const expecting = 'POST /functions/fn HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: '
    expect(await exchangeRaw(at.proxy, `${expecting}100001\r\n\r\n`)).toMatch(/^HTTP\/1.1 413/)
    expect(await exchangeRaw(at.proxy, `${expecting}2\r\n\r\nhi`)).toMatch(
      /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 202/,
    )
    expect(await queueLength()).toBe(1)
  })

  it('that breaks off is no call', async () => {
    const socket = net.connect(at.proxy.address.port, '127.0.0.1')
    socket.on('error', () => socket.destroy())
    socket.write('POST /functions/fn HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc')
    await until(() => socket.bytesWritten > 0, 'it is sent')
    socket.destroy()
    idOf(await post('/functions/fn', 'after'))
    expect(await queueLength()).toBe(1)
  })

  it('that takes longer than the function may run is given up', async () => {
    await at.stage.serve(at.proxy, [], { ...ASYNC_ROUTE, timeoutMs: 50 })
    const answer = await exchangeRaw(
      at.proxy,
      'POST /functions/fn HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc',
    )
    expect(answer).toMatch(/^HTTP\/1.1 400 [^]*did not arrive in time/)
  })
})

describe('X-Callback-Url', () => {
  it('is kept', async () => {
    const url = 'https://example.com/done?a=1'
    expect((await kept(idOf(await post('/functions/fn', '', { 'x-callback-url': url })))).head.callbackUrl).toBe(url)
  })

  it.each([
    '',
    'nonsense',
    '/relative',
    'file:///etc/passwd',
    'http://u:p@a.b',
    'http://169.254.169.254/',
    'http://[::]',
    'http://localhost:5001/batch',
    'http://127.0.0.1:5001/batch',
    'http://192.168.1.1/',
  ])('%j is refused', async url => {
    const answer = await post('/functions/fn', 'x', { 'x-callback-url': url })
    expect(answer).toMatchObject({ status: 400, code: 'BAD_REQUEST' })
    expect(await queueLength()).toBe(0)
  })

  it('may lead to a host that is not public if the allow-list names it', async () => {
    await at.stage.end()
    at.proxy = await at.stage.proxy({ nats: addressOf(at.nats), callbackAllow: ['*', 'localhost'] })
    await at.stage.serve(at.proxy, [], ASYNC_ROUTE)
    await busFound(at.proxy)
    idOf(await post('/functions/fn', '', { 'x-callback-url': 'http://localhost:9/done' }))
    const other = await post('/functions/fn', '', { 'x-callback-url': 'http://127.0.0.1:9/done' })
    expect(other).toMatchObject({ status: 400, body: expect.stringContaining('--callback-allow') as string })
  })
})

describe('the dispatcher', () => {
  it('has a call run at once, and tells the function which one it is', async () => {
    const headers = { 'x-ryo-faas-dispatch': DISPATCH_TOKEN, 'x-call-id': 'id', 'x-call-attempt': '3' }
    const answer = await post('/functions/fn', 'x', { ...headers, prefer: 'respond-async' })
    expect(answer.status).toBe(200)
    const seen = JSON.parse(answer.body) as Record<string, string>
    expect(seen).toMatchObject({ 'x-call-id': 'id', 'x-call-attempt': '3' })
    expect(seen).not.toHaveProperty('x-ryo-faas-dispatch')
    expect(at.instance.received()).not.toContain(DISPATCH_TOKEN)
    expect(await at.proxy.stats()).toMatchObject({ functions: [{ name: 'fn', calls: 1 }] })
    expect((await call(at.proxy, '/metrics')).body).not.toContain('faas_invocations_total{')
  })

  it('is known by its token alone', async () => {
    for (const token of ['', 'guess', `${DISPATCH_TOKEN}x`, DISPATCH_TOKEN.toUpperCase()]) {
      expect((await post('/functions/fn', 'x', { 'x-ryo-faas-dispatch': token })).status).toBe(202)
    }
  })
})

describe('without a bus', () => {
  it('an asynchronous call is 503 at once, others work', async () => {
    const alone = await at.stage.proxy()
    await at.stage.serve(alone, [at.instance])
    const answer = await call(alone, '/async-function/fn', { method: 'POST', body: 'x' })
    expect(answer).toMatchObject({ status: 503, code: 'ASYNC_UNAVAILABLE', headers: { 'retry-after': '1' } })
    expect(await call(alone, '/calls', { headers: AS_OPERATOR })).toMatchObject({
      status: 503,
      code: 'ASYNC_UNAVAILABLE',
    })
    expect((await call(alone, '/functions/fn')).status).toBe(200)
  })

  it('that knows us it is 503, and says why', async () => {
    const stranger = await at.stage.proxy({ nats: { ...addressOf(at.nats), password: 'wrong' } })
    await at.stage.serve(stranger, [], ASYNC_ROUTE)
    const send = () => call(stranger, '/functions/fn', { method: 'POST' })
    await until(async () => /authorization/i.test((await send()).body), 'it says why')
    expect(await send()).toMatchObject({ status: 503, code: 'ASYNC_UNAVAILABLE' })
  })

  it('that comes and goes it is 503 while it is away, and every 202 is there afterwards', async () => {
    const own = await startNats()
    at.stage.onEnd(() => own.stop())
    const itsBus = await own.connect()
    await ensureStreams(itsBus)
    await own.kill()
    const early = await at.stage.proxy({ nats: addressOf(own) })
    await at.stage.serve(early, [], ASYNC_ROUTE)
    const send = () => call(early, '/functions/fn', { method: 'POST', body: 'x' })
    expect(await send()).toMatchObject({ status: 503, code: 'ASYNC_UNAVAILABLE' })
    const accepted: string[] = []
    for (let round = 0; round < 2; round += 1) {
      await own.start()
      await until(async () => (await send()).status === 202, 'it takes calls')
      const load = Array.from({ length: 50 }, send)
      await own.kill()
      for (const answer of await Promise.all(load)) {
        expect([202, 503]).toContain(answer.status)
        if (answer.status === 202) accepted.push(idOf(answer))
      }
      expect(await send()).toMatchObject({ status: 503, code: 'ASYNC_UNAVAILABLE' })
    }
    await own.start()
    await until(() => itsBus.isConnected, 'the bus is back')
    for (const id of accepted) expect(await lastMessage(itsBus, STREAMS.calls, subjectOf('call', id))).toBeDefined()
  })

  it('with room it is 503', async () => {
    await ensureStreams(at.bus, { callsMaxBytes: 20_000 })
    expect((await post('/functions/fn', Buffer.alloc(15_000))).status).toBe(202)
    const full = await post('/functions/fn', Buffer.alloc(15_000))
    expect(full).toMatchObject({ status: 503, code: 'ASYNC_UNAVAILABLE', headers: { 'retry-after': '1' } })
    await ensureStreams(at.bus)
  })

  it('that answers, a stopping proxy still answers what it has begun', async () => {
    process.kill(at.nats.pid(), 'SIGSTOP')
    const begun = post('/functions/fn', 'x')
    const open = () =>
      call(at.proxy, '/healthz').then(
        () => true,
        () => false,
      )
    await until(open, 'it has begun')
    const stopped = at.stage.end()
    await until(async () => !(await open()), 'it accepts no more')
    process.kill(at.nats.pid(), 'SIGCONT')
    idOf(await begun)
    await stopped
  })
})

it('a call is queued when the gate has let it in, and not before; one that is refused never is', async () => {
  const settle: ((verdict: Verdict) => void)[] = []
  const gated = await at.stage.proxy(
    { nats: addressOf(at.nats) },
    { ask: () => new Promise(resolve => settle.push(resolve)) },
  )
  await busFound(gated)
  await at.stage.serve(gated, [at.instance], { ...ASYNC_ROUTE, access: { kind: 'ask' } })
  const body = Buffer.alloc(300_000, 'x')
  const send = () => call(gated, '/functions/fn', { method: 'POST', body })
  const [one, other] = [send(), send()]
  await until(() => settle.length === 2, 'the gate is asked')
  expect(await queueLength()).toBe(0)
  settle[0]!(PASS)
  settle[1]!(refused('FORBIDDEN', 'not you'))
  const answers = (await Promise.all([one, other])).sort((a, b) => a.status - b.status)
  expect(answers).toMatchObject([{ status: 202 }, { status: 403, code: 'FORBIDDEN' }])
  expect(await queueLength()).toBe(1)
  expect((await kept(idOf(answers[0]))).body).toEqual(body)
})
