import net from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { call, exchangeRaw, Stage, until, type TestInstance } from '../proxy-testing.ts'
import type { Proxy } from '../proxy.ts'

let stage: Stage
let proxy: Proxy
let instance: TestInstance

beforeEach(async () => {
  stage = new Stage()
  proxy = await stage.proxy()
  instance = await stage.http((_request, response) => response.end('ok'))
  await stage.serve(proxy, [instance])
})
afterEach(() => stage.end())

const post = (headers: string, body = '') => `POST /functions/fn HTTP/1.1\r\nHost: a\r\n${headers}\r\n\r\n${body}`
const get = (target: string) => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`

describe('a malformed request is answered with 400, its connection closed, nothing forwarded:', () => {
  it.each([
    ['length and coding', post('Content-Length: 3\r\nTransfer-Encoding: chunked', '0\r\n\r\n')],
    ['coding and length', post('Transfer-Encoding: chunked\r\nContent-Length: 3', '0\r\n\r\n')],
    ['two lengths', post('Content-Length: 3\r\nContent-Length: 4', 'abcd')],
    ['the same length twice', post('Content-Length: 3\r\nContent-Length: 3', 'abc')],
    ['a list of lengths', post('Content-Length: 3, 3', 'abc')],
    ['a signed length', post('Content-Length: +3', 'abc')],
    ['a negative length', post('Content-Length: -3', 'abc')],
    ['a hexadecimal length', post('Content-Length: 0x3', 'abc')],
    ['an empty length', post('Content-Length: ', 'abc')],
    ['coding xchunked', post('Transfer-Encoding: xchunked', '0\r\n\r\n')],
    ['coding chunked, identity', post('Transfer-Encoding: chunked, identity', '0\r\n\r\n')],
    ['coding gzip, chunked', post('Transfer-Encoding: gzip, chunked', '0\r\n\r\n')],
    ['coding chunked twice', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', '0\r\n\r\n')],
    ['coding identity', post('Transfer-Encoding: identity', '')],
    ['a chunk size that is none', post('Transfer-Encoding: chunked', 'zz\r\nabc\r\n0\r\n\r\n')],
    ['a chunk size with prefix', post('Transfer-Encoding: chunked', '0x3\r\nabc\r\n0\r\n\r\n')],
    ['a negative chunk size', post('Transfer-Encoding: chunked', '-3\r\nabc\r\n0\r\n\r\n')],
    ['a chunk size out of range', post('Transfer-Encoding: chunked', 'fffffffffffffffff\r\nabc')],
    ['a chunk longer than its size', post('Transfer-Encoding: chunked', '2\r\nabc\r\n0\r\n\r\n')],
    ['a chunk line that ends in LF', post('Transfer-Encoding: chunked', '3\nabc\r\n0\r\n\r\n')],
    ['a folded header', post('X-A: b\r\n c')],
    ['a space before the colon', post('X-A : b')],
    ['a space before the coding colon', post('Transfer-Encoding : chunked', '0\r\n\r\n')],
    ['a bare CR in a value', post('X-A: b\rc')],
    ['a NUL in a value', post('X-A: b\0c')],
    ['a NUL in a name', post('X-\0A: b')],
    ['a header without a name', post(': b')],
    ['a line without a colon', post('hello')],
    ['no host', 'GET /functions/fn HTTP/1.1\r\n\r\n'],
    ['two hosts', 'GET /functions/fn HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    ['a host with a path', 'GET /functions/fn HTTP/1.1\r\nHost: a/b\r\n\r\n'],
    ['a host with a space', 'GET /functions/fn HTTP/1.1\r\nHost: a b\r\n\r\n'],
    ['coding in HTTP/1.0', 'POST /functions/fn HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['HTTP/0.9', 'GET /functions/fn\r\n\r\n'],
    ['HTTP/2.0', 'GET /functions/fn HTTP/2.0\r\nHost: a\r\n\r\n'],
    ['lower case http', 'GET /functions/fn http/1.1\r\nHost: a\r\n\r\n'],
    ['an unknown method', 'FOO /functions/fn HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['a space in the target', get('/functions/fn /x')],
    ['a tab in the target', get('/functions/fn\t/x')],
    ['a NUL in the target', get('/functions/fn/\0')],
    ['dot segments', get('/functions/fn/../fn')],
    ['encoded dot segments', get('/functions/fn/%2e%2E/x')],
    ['an encoded slash', get('/functions/fn/a%2fb')],
    ['an encoded backslash', get('/functions/fn/a%5cb')],
    ['an encoded NUL', get('/functions/fn/%00')],
    ['a backslash', get('/functions/fn/a\\b')],
    ['a broken escape', get('/functions/fn/%g1')],
    ['asterisk form', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['authority form', 'CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['an upgrade with a body', post('Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 3', 'abc')],
  ])('%s', async (_name, bytes) => {
    const answer = await exchangeRaw(proxy, bytes)
    expect(answer).toMatch(/^HTTP\/1.1 400 /)
    expect(answer.toLowerCase()).toContain('\r\nconnection: close\r\n')
    expect(answer.toLowerCase()).toContain('\r\nx-ryo-faas-error: bad_request\r\n')
    expect(answer).toContain('{"error":{"code":"BAD_REQUEST"')
    expect(instance.connections.size + instance.received().length).toBe(0)
  })

  it.each([
    ['lines that end in LF', 'GET /functions/fn HTTP/1.1\nHost: a\n\n'],
    ['a header that ends in LF', 'GET /functions/fn HTTP/1.1\r\nHost: a\nX-B: c\r\n\r\n'],
    ['a head that ends in LF', 'GET /functions/fn HTTP/1.1\r\nHost: a\r\n\n'],
  ])('%s', async (_name, bytes) => {
    expect(await exchangeRaw(proxy, bytes)).toMatch(/^HTTP\/1.1 400 /)
    expect(instance.received()).toBe('')
  })
})

describe('a client that asks too much', () => {
  it('gets 431 for a header block over 16 KiB', async () => {
    const answer = await exchangeRaw(proxy, post(`X-A: ${'a'.repeat(17_000)}`))
    expect(answer).toMatch(/^HTTP\/1.1 431 [^]*"code":"BAD_REQUEST"/)
    expect(instance.received()).toBe('')
  })

  it('gets 408 if its head does not end', async () => {
    const hasty = await stage.proxy({ headersTimeoutMs: 300 })
    await stage.serve(hasty, [instance])
    expect(await exchangeRaw(hasty, 'GET /functions/fn HTTP/1.1\r\nHost: a\r\n')).toMatch(/^HTTP\/1.1 408 /)
    expect(instance.received()).toBe('')
  })

  it('does not stop others, not even with a thousand like it', async () => {
    const slow = await stage.proxy({ headersTimeoutMs: 60_000 })
    await stage.serve(slow, [instance])
    const sockets = Array.from({ length: 1_000 }, () => net.connect(slow.address.port, '127.0.0.1'))
    stage.onEnd(() => sockets.forEach(socket => socket.destroy()))
    for (const socket of sockets) {
      socket.on('error', () => socket.destroy())
      socket.write('GET /functions/fn HTTP/1.1\r\nHost: a\r\nX-')
    }
    await until(() => sockets.every(socket => !socket.connecting), 'slow clients are connected')
    expect((await call(slow, '/functions/fn')).body).toBe('ok')
  })
})

describe('a request that is for no function', () => {
  it.each(['GET /healthz', 'GET /nope', 'HEAD /metrics'])('takes no body: %s', async what => {
    const head = `${what} HTTP/1.1\r\nHost: a\r\n`
    for (const body of ['Content-Length: 3\r\n\r\nabc', 'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n']) {
      expect(await exchangeRaw(proxy, head + body + get('/functions/fn'))).toMatch(/^HTTP\/1.1 400 /)
    }
    expect(instance.received()).toBe('')
  })

  it.each(['/nope', '/calls/redrive', '/healthz'])('is cut off if its body does not come: %s', async path => {
    const hasty = await stage.proxy({ bodyTimeoutMs: 100 })
    const head = `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n`
    for (const body of ['Content-Length: 10\r\n\r\nabc', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n']) {
      // Ends, which is what counts; with the answer that it had already, or with 408.
      expect((await exchangeRaw(hasty, head + body)).match(/HTTP\/1.1 \d+/g)?.length ?? 0).toBeLessThanOrEqual(1)
    }
  })
})

it('more connections than there may be are closed at once; one that ends makes room', async () => {
  const small = await stage.proxy({ maxConnections: 2 })
  await stage.serve(small, [instance])
  const held = [1, 2].map(() => net.connect(small.address.port, '127.0.0.1'))
  stage.onEnd(() => held.forEach(socket => socket.destroy()))
  for (const socket of held) {
    await new Promise<void>(resolve => {
      socket.once('data', () => resolve())
      socket.write(get('/functions/fn'))
    })
  }
  expect(await exchangeRaw(small, get('/functions/fn'))).toBe('')
  held[0]!.destroy()
  await until(async () => (await call(small, '/functions/fn').catch(() => undefined))?.body === 'ok', 'there is room')
})

it('a request that hides in the body of another stays a body', async () => {
  const hidden = 'GET /functions/fn/hidden HTTP/1.1\r\nHost: a\r\n\r\n'
  const answer = await exchangeRaw(proxy, post(`Connection: close\r\nContent-Length: ${hidden.length}`, hidden))
  expect(answer.match(/HTTP\/1.1 /g)).toHaveLength(1)
  expect(instance.received()).toContain(`\r\n\r\n${hidden}`)
})

it('a request that follows an upgrade which the function ignores is not forwarded', async () => {
  const upgrade = 'GET /functions/fn HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'
  const answer = await exchangeRaw(proxy, `${upgrade}GET /.ryo-faas/health HTTP/1.1\r\nHost: a\r\n\r\n`)
  expect(answer).toMatch(/^HTTP\/1.1 200 OK[^]*ok$/)
  expect(answer.match(/HTTP\/1.1 /g)).toHaveLength(1)
  expect(instance.received()).not.toContain('/.ryo-faas/health')
})

describe('what follows on the connection is not run', () => {
  const second = get('/functions/fn/second')
  it.each([
    ['coding gzip, chunked', post('Transfer-Encoding: gzip, chunked', '0\r\n\r\n')],
    ['coding ,chunked', post('Transfer-Encoding: ,chunked', '0\r\n\r\n')],
    ['two hosts', 'GET /functions/fn HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    ['no host', 'GET /functions/fn HTTP/1.1\r\n\r\n'],
    ['an encoded NUL', get('/functions/fn/%00')],
    ['asterisk form', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n'],
    [
      'coding gzip, chunked, asynchronous',
      post('Transfer-Encoding: gzip, chunked\r\nPrefer: respond-async', '0\r\n\r\n'),
    ],
  ])('after a refusal: %s', async (_name, bytes) => {
    const upgrade = 'GET /functions/fn/second HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'
    // Over a connection that stands it would be there at once.
    await call(proxy, '/functions/fn')
    const before = instance.received()
    for (const next of [second, upgrade]) {
      const answer = await exchangeRaw(proxy, bytes + next)
      expect(answer.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 400'])
    }
    expect(instance.received()).toBe(before)
  })

  it('after the last answer of a proxy that stops', async () => {
    const held: (() => void)[] = []
    const slow = await stage.http((request, response) => {
      const answer = () => response.end(request.url)
      if (request.url === '/held') held.push(answer)
      else answer()
    })
    const stopping = await stage.proxy({ graceMs: 5_000 })
    await stage.serve(stopping, [slow])
    let answers = ''
    const socket = net.connect(stopping.address.port, '127.0.0.1').on('data', piece => (answers += String(piece)))
    const closed = new Promise(resolve => socket.once('close', resolve))
    socket.write(get('/functions/fn/held'))
    await until(() => held.length === 1, 'a call runs')
    const stopped = stopping.close()
    socket.write(get('/functions/fn/last') + second)
    await until(() => slow.received().includes('/last'), 'the next one runs too')
    held[0]!()
    await closed
    await stopped
    expect(answers.match(/\/(held|last|second)/g)).toEqual(['/held', '/last'])
    expect(slow.received()).not.toContain('/second')
  })
})

describe('a request that runs gets its own answer, whatever follows it:', () => {
  it.each([
    ['junk', `${get('/functions/fn')}junk\r\n\r\n`],
    ['junk after a body', `${post('Content-Length: 3', 'abc')}junk\r\n\r\n`],
    ['another over HTTP/1.0', 'GET /functions/fn HTTP/1.0\r\n\r\nGET /functions/fn/second HTTP/1.0\r\n\r\n'],
    [
      'another after the close it asked for',
      `${post('Connection: close\r\nContent-Length: 0')}${get('/functions/fn/2')}`,
    ],
    ['another behind a body that waited', `${post('Expect: 100-continue\r\nContent-Length: 3', 'abc')}junk\r\n\r\n`],
    ['two, then junk', `${get('/functions/fn')}${get('/functions/fn')}junk\r\n\r\n`],
  ])('%s', async (_name, bytes) => {
    const answer = await exchangeRaw(proxy, bytes)
    expect(answer).not.toContain(' 400 ')
    const runs = instance.received().match(/ HTTP\/1.1\r\n/g)!.length
    expect(answer.match(/HTTP\/1.1 200 OK/g)).toHaveLength(runs)
    expect(answer).toMatch(/ok$/)
    expect(instance.received()).not.toContain('/second')
  })

  it('a body that is malformed, behind a request that still runs, is not answered in its place', async () => {
    const held = await stage.http(() => {})
    await stage.serve(proxy, [held])
    const bytes = get('/functions/fn') + post('Transfer-Encoding: chunked', 'zz\r\n')
    expect(await exchangeRaw(proxy, bytes)).toBe('')
  })
})
