import http from 'node:http'
import net from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { call, exchangeRaw, Stage, until, type Answer, type TestInstance } from '../proxy-testing.ts'
import { TEST_KEYS } from '../../../access/access-testing.ts'
import type { Proxy } from '../proxy.ts'
import type { RouteInput } from '../../../routes/index.ts'

let stage: Stage
let proxy: Proxy

beforeEach(async () => {
  stage = new Stage()
  proxy = await stage.proxy({ readyTimeoutMs: 30_000 })
})
afterEach(() => stage.end())

const scale = { max: 3 }
const frozen = (instance: TestInstance): TestInstance => ({ ...instance, isFrozen: true })
const inflight = async () => (await proxy.stats()).functions.find(({ name }) => name === 'fn')!.inflight
const calls = (count: number) => until(async () => (await inflight()) === count, `${count} calls are there`)
const codes = (answers: Answer[]) => answers.map(({ status }) => status)

/** Answers when it is told to; with the text of the request. */
async function holding() {
  const held: (() => void)[] = []
  let seen = 0
  const instance = await stage.http((request, response) => {
    seen += 1
    let text = ''
    request.on('data', piece => (text += String(piece)))
    held.push(() => response.end(text))
  })
  return { instance, held, seen: () => seen }
}

const echo = () => stage.http((request, response) => void request.pipe(response))

describe('a frozen instance', () => {
  it('loses its idle connections, gets no call, and goes on where it was when it is woken', async () => {
    const instance = await echo()
    await stage.serve(proxy, [instance], { scale })
    await call(proxy, '/functions/fn')
    expect(instance.connections.size).toBe(1)
    await stage.serve(proxy, [frozen(instance)], { scale })
    await until(() => instance.connections.size === 0, 'its connections are closed')
    const before = instance.received()
    const held = call(proxy, '/functions/fn', { method: 'POST', body: 'hello' })
    await calls(1)
    expect([instance.received(), instance.connections.size]).toEqual([before, 0])
    await stage.serve(proxy, [instance], { scale })
    expect((await held).body).toBe('hello')
  })

  it('does not keep the connection of the call that was in flight', async () => {
    const { instance, held } = await holding()
    await stage.serve(proxy, [instance], { scale })
    const running = call(proxy, '/functions/fn')
    await until(() => held.length === 1, 'it runs')
    await stage.serve(proxy, [frozen(instance)], { scale })
    held[0]!()
    expect((await running).status).toBe(200)
    await until(() => instance.connections.size === 0, 'the connection is closed')
  })

  it('is passed over while another is awake', async () => {
    const [asleep, awake] = [await echo(), await echo()]
    await stage.serve(proxy, [frozen(asleep), awake], { scale })
    const answers = await Promise.all(Array.from({ length: 10 }, () => call(proxy, '/functions/fn')))
    expect(codes(answers)).toEqual(Array.from({ length: 10 }, () => 200))
    expect(asleep.received()).toBe('')
  })

  it('settles when nothing is in flight there, or is in use again', async () => {
    const slow = await stage.proxy({ settleMs: 60_000 })
    const { instance, held } = await holding()
    await stage.serve(slow, [instance], { scale, concurrency: 1 })
    const running = call(slow, '/functions/fn')
    await until(() => held.length === 1, 'it runs')
    const freezing = stage.serve(slow, [frozen(instance)], { scale, concurrency: 1 })
    let isSettled = false
    void freezing.then(() => (isSettled = true))
    await until(async () => (await slow.stats()).generation === 2, 'it is served')
    expect(isSettled).toBe(false)
    held[0]!()
    await freezing
    expect((await running).status).toBe(200)
  })
})

describe('while an instance is woken, nothing is lost:', () => {
  /** What is asked of a sleeper is answered with what it sent, once it is awake. */
  async function asleep(): Promise<() => Promise<void>> {
    const instance = await echo()
    await stage.serve(proxy, [frozen(instance)], { scale })
    return () => stage.serve(proxy, [instance], { scale })
  }

  it.each([
    ['a small body', 'x'.repeat(10), undefined],
    ['a body that does not fit into any buffer', 'x'.repeat(5_000_000), undefined],
    ['a body in chunks', 'x'.repeat(300_000), { 'transfer-encoding': 'chunked' }],
  ])('%s', async (_what, body, headers) => {
    const wake = await asleep()
    const held = call(proxy, '/functions/fn', { method: 'POST', body, ...(headers && { headers }) })
    await calls(1)
    await wake()
    const { status, body: answer } = await held
    expect([status, answer.length, answer === body]).toEqual([200, body.length, true])
  })

  it('a body that is still being written while the call is held', async () => {
    const wake = await asleep()
    const options = { host: '127.0.0.1', port: proxy.address.port, path: '/functions/fn', method: 'POST', agent: false }
    const request = http.request(options)
    const answered = new Promise<http.IncomingMessage>(resolve => request.on('response', resolve))
    request.write('before ')
    await calls(1)
    request.write('meanwhile ')
    await wake()
    request.end('after')
    let text = ''
    for await (const piece of await answered) text += String(piece)
    expect(text).toBe('before meanwhile after')
  })

  it('a body for which the client waits to be asked: it is, once an instance takes it', async () => {
    const wake = await asleep()
    let continued = false
    const request = http.request({
      ...{ host: '127.0.0.1', port: proxy.address.port, path: '/functions/fn', method: 'POST', agent: false },
      headers: { expect: '100-continue', 'content-length': 5 },
    })
    request.on('continue', () => {
      continued = true
      request.end('hello')
    })
    request.flushHeaders()
    const answered = new Promise<http.IncomingMessage>(resolve => request.on('response', resolve))
    await calls(1)
    expect(continued).toBe(false)
    await wake()
    let text = ''
    for await (const piece of await answered) text += String(piece)
    expect([continued, text]).toEqual([true, 'hello'])
  })

  it('a WebSocket', async () => {
    const server = new WebSocketServer({ noServer: true })
    server.on('connection', socket => socket.on('message', data => socket.send(`echo ${String(data)}`)))
    const instance = await stage.http(
      () => undefined,
      (request, socket, head) =>
        server.handleUpgrade(request, socket, head, webSocket => server.emit('connection', webSocket, request)),
    )
    await stage.serve(proxy, [frozen(instance)], { scale })
    const client = new WebSocket(`ws://127.0.0.1:${proxy.address.port}/functions/fn/chat`)
    stage.onEnd(() => client.terminate())
    const opened = new Promise(resolve => client.on('open', resolve))
    await calls(1)
    await stage.serve(proxy, [instance], { scale })
    await opened
    client.send('hello')
    expect(await new Promise(resolve => client.once('message', data => resolve(String(data))))).toBe('echo hello')
  })

  it('a queued call that the dispatcher brings', async () => {
    const wake = await asleep()
    const headers = { 'x-ryo-faas-dispatch': TEST_KEYS.part, 'x-call-id': 'c' }
    const held = call(proxy, '/functions/fn', { method: 'POST', body: 'queued', headers })
    await calls(1)
    await wake()
    expect((await held).body).toBe('queued')
  })
})

describe('calls that find every instance busy', () => {
  const route: Partial<RouteInput> = { scale, concurrency: 1 }

  it('wait for one that becomes free, in the order in which they came, and before later ones', async () => {
    const order: string[] = []
    const held: (() => void)[] = []
    const instance = await stage.http((request, response) => {
      order.push(request.url!)
      held.push(() => response.end())
    })
    await stage.serve(proxy, [instance], route)
    const answers = []
    for (let n = 0; n < 4; n += 1) {
      answers.push(call(proxy, `/functions/fn/${n}`))
      await calls(n + 1)
    }
    for (let n = 0; n < 4; n += 1) {
      await until(() => held.length > n, 'the next one runs')
      expect(order).toHaveLength(n + 1)
      held[n]!()
    }
    expect(codes(await Promise.all(answers))).toEqual([200, 200, 200, 200])
    expect(order).toEqual(['/0', '/1', '/2', '/3'])
  })

  it('wait for one that is started', async () => {
    const [first, second] = [await holding(), await holding()]
    await stage.serve(proxy, [first.instance], route)
    const answers = [call(proxy, '/functions/fn'), call(proxy, '/functions/fn')]
    await calls(2)
    await until(() => first.seen() === 1, 'the first one runs')
    await stage.serve(proxy, [first.instance, second.instance], route)
    await until(() => second.seen() === 1, 'the second one runs')
    for (const finish of [...first.held, ...second.held]) finish()
    expect(codes(await Promise.all(answers))).toEqual([200, 200])
  })

  it('get 429 with Retry-After at once when as many run as may', async () => {
    const { instance, held } = await holding()
    await stage.serve(proxy, [instance], { scale: { max: 1 }, concurrency: 1 })
    const running = call(proxy, '/functions/fn')
    await until(() => held.length === 1, 'it runs')
    const refused = await call(proxy, '/functions/fn')
    expect([refused.status, refused.code, refused.headers['retry-after']]).toEqual([429, 'FUNCTION_OVERLOADED', '1'])
    held[0]!()
    expect((await running).status).toBe(200)
  })

  it('get 429 beyond what all instances could run at once', async () => {
    await stage.serve(proxy, [], { scale: { max: 2 }, concurrency: 2 })
    const waiting = Array.from({ length: 4 }, () => call(proxy, '/functions/fn'))
    await calls(4)
    const refused = await call(proxy, '/functions/fn')
    expect([refused.status, refused.code, refused.headers['retry-after']]).toEqual([429, 'FUNCTION_OVERLOADED', '1'])
    await stage.serve(proxy, [await echo(), await echo()], { scale: { max: 2 }, concurrency: 2 })
    expect(codes(await Promise.all(waiting))).toEqual([200, 200, 200, 200])
  })

  it('get 429 when they are so many that no other function could be waited for', async () => {
    const small = await stage.proxy({ maxWaiting: 4 })
    await stage.serve(small, [], { scale })
    const waiting = Array.from({ length: 2 }, () => call(small, '/functions/fn'))
    await until(async () => (await small.stats()).functions[0]!.inflight === 2, 'they wait')
    expect((await call(small, '/functions/fn')).code).toBe('FUNCTION_OVERLOADED')
    await stage.serve(small, [await echo()], { scale })
    expect(codes(await Promise.all(waiting))).toEqual([200, 200])
  })

  it('get 429 when none has become free in time', async () => {
    const hasty = await stage.proxy({ readyTimeoutMs: 50 })
    const { instance, held } = await holding()
    await stage.serve(hasty, [instance], route)
    const running = call(hasty, '/functions/fn')
    await until(() => held.length === 1, 'it runs')
    expect((await call(hasty, '/functions/fn')).code).toBe('FUNCTION_OVERLOADED')
    held[0]!()
    await running
  })

  it('wait too if the instance itself has no room, and are not run twice', async () => {
    const full = await stage.http((request, response) => {
      const id = `i${request.socket.localPort}`
      response.writeHead(429, { 'x-ryo-faas-error': 'FUNCTION_OVERLOADED', 'x-ryo-faas-error-from': id }).end()
    })
    const { instance, held, seen } = await holding()
    await stage.serve(proxy, [full], route)
    const waiting = call(proxy, '/functions/fn', { method: 'POST', body: 'once' })
    await until(() => full.received().includes('once'), 'it was refused there')
    await stage.serve(proxy, [full, instance], route)
    await until(() => held.length === 1, 'it runs')
    held[0]!()
    expect([(await waiting).body, seen()]).toEqual(['once', 1])
  })

  it('get 429 as ever if the function is not scaled', async () => {
    const { instance, held } = await holding()
    await stage.serve(proxy, [instance], { concurrency: 1 })
    const running = call(proxy, '/functions/fn')
    await until(() => held.length === 1, 'it runs')
    expect((await call(proxy, '/functions/fn')).status).toBe(429)
    held[0]!()
    await running
  })
})

it('a thousand callers at once wait for one wake, and all are served', async () => {
  const many = await stage.proxy({ readyTimeoutMs: 60_000, connectTimeoutMs: 60_000 })
  const order: string[] = []
  const instance = await stage.http((request, response) => {
    order.push(request.url!)
    response.end(request.url)
  })
  const route = { scale: { max: 10 }, concurrency: 100, timeoutMs: 60_000 }
  await stage.serve(many, [frozen(instance)], route)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1_000 })
  stage.onEnd(() => agent.destroy())
  const answers = Array.from({ length: 1_000 }, (_, n) => call(many, `/functions/fn/${n}`, { agent }))
  await until(async () => (await many.stats()).functions[0]!.inflight === 1_000, 'all of them wait')
  await stage.serve(many, [instance], route)
  const bodies = (await Promise.all(answers)).map(({ status, body }) => `${status} ${body}`)
  expect(bodies).toEqual(Array.from({ length: 1_000 }, (_, n) => `200 /${n}`))
  expect(new Set(order).size).toBe(1_000)
})

describe('a wake that fails', () => {
  it('ends what waits with its reason, and the next call waits again', async () => {
    await stage.serve(proxy, [], { scale })
    const first = call(proxy, '/functions/fn')
    await calls(1)
    await stage.serve(proxy, [], { scale, unavailable: 'the image is gone' })
    const refused = await first
    expect([refused.status, refused.code, refused.headers['retry-after']]).toEqual([503, 'FUNCTION_UNAVAILABLE', '1'])
    expect(refused.body).toContain('the image is gone')
    const second = call(proxy, '/functions/fn', { method: 'POST', body: 'again' })
    await calls(1)
    // The same table for another reason is no answer to it.
    await stage.serve(proxy, [], { scale, unavailable: 'the image is gone' })
    await stage.serve(proxy, [await echo()], { scale })
    expect((await second).body).toBe('again')
  })

  it('ends what waits each time that it is said of this function alone', async () => {
    const route = { displayName: 'Fn', version: 1, timeoutMs: 5_000, concurrency: 0, instances: [], name: 'fn', scale }
    await proxy.setRoutes({ generation: 1, routes: [route] })
    for (const base of [1, 2]) {
      const waiting = call(proxy, '/functions/fn')
      await calls(1)
      await proxy.setRoute({ base, generation: base + 1, route: { ...route, unavailable: 'no memory' } })
      expect((await waiting).body).toContain('no memory')
    }
  })

  it('does not end a call that another instance can run', async () => {
    const { instance, held } = await holding()
    await stage.serve(proxy, [frozen(instance)], { scale })
    const waiting = call(proxy, '/functions/fn')
    await calls(1)
    await stage.serve(proxy, [instance], { scale, unavailable: 'the second one did not start' })
    await until(() => held.length === 1, 'it runs')
    held[0]!()
    expect((await waiting).status).toBe(200)
  })

  it('is named when the time of a call is over', async () => {
    const hasty = await stage.proxy({ readyTimeoutMs: 50 })
    await stage.serve(hasty, [], { scale, unavailable: 'the image is gone' })
    expect((await call(hasty, '/functions/fn')).body).toContain('the image is gone')
  })
})

describe('a caller that leaves while its call is held leaves nothing behind:', () => {
  it.each([
    ['a GET', 'GET /functions/fn HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['a POST', 'POST /functions/fn HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody'],
    ['a POST that is not finished', 'POST /functions/fn HTTP/1.1\r\nHost: h\r\nContent-Length: 400\r\n\r\nbody'],
    ['an upgrade', 'GET /functions/fn HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'],
  ])('%s', async (_what, bytes) => {
    const instance = await echo()
    const route = { scale: { max: 1 }, concurrency: 1 }
    await stage.serve(proxy, [frozen(instance)], route)
    const socket = net.connect(proxy.address.port, '127.0.0.1')
    socket.write(bytes)
    await calls(1)
    socket.end()
    await calls(0)
    socket.destroy()
    // Its place is free.
    const other = call(proxy, '/functions/fn')
    await calls(1)
    await stage.serve(proxy, [instance], route)
    expect((await other).status).toBe(200)
    expect(instance.received().match(/HTTP\/1\.1\r\n/g)).toHaveLength(1)
  })
})

it('a function that is removed while calls wait for it answers them with 404', async () => {
  await stage.serve(proxy, [], { scale })
  const waiting = [call(proxy, '/functions/fn'), call(proxy, '/functions/fn', { method: 'POST', body: 'x' })]
  await calls(2)
  await stage.serve(proxy, [], { name: 'other', displayName: 'other' })
  expect((await Promise.all(waiting)).map(({ code }) => code)).toEqual(['FUNCTION_NOT_FOUND', 'FUNCTION_NOT_FOUND'])
})

it('a client may ask again over the connection on which its call was held', async () => {
  const instance = await echo()
  await stage.serve(proxy, [frozen(instance)], { scale })
  const ask = 'POST /functions/fn HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n'
  const answers = exchangeRaw(proxy, `${ask}\r\none${ask}Connection: close\r\n\r\ntwo`)
  await until(async () => (await inflight()) > 0, 'it waits')
  await stage.serve(proxy, [instance], { scale })
  expect((await answers).match(/one|two/g)).toEqual(['one', 'two'])
})
