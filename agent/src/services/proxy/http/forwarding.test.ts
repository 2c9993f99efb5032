import http from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deliveryToken, signDepth } from '../../../access/index.ts'
import { TEST_KEYS } from '../../../access/access-testing.ts'
import { call, exchangeRaw, Stage, type TestInstance } from '../proxy-testing.ts'
import type { Proxy } from '../proxy.ts'

interface Echo {
  method: string
  url: string
  headers: Record<string, string>
  raw: string[]
  body: string
}

let stage: Stage
let proxy: Proxy
let instance: TestInstance

beforeEach(async () => {
  stage = new Stage()
  proxy = await stage.proxy()
  instance = await stage.http((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const { method, url, headers, rawHeaders: raw } = request
      response.setHeader('content-type', 'application/json')
      response.setHeader('x-request-id', 'the-function-s-own')
      response.setHeader('connection', 'keep-alive, x-hop')
      response.setHeader('x-hop', '1')
      response.setHeader('set-cookie', ['a=1', 'b=2'])
      response.end(JSON.stringify({ method, url, headers, raw, body: Buffer.concat(pieces).toString('latin1') }))
    })
  })
  await stage.serve(proxy, [instance])
})
afterEach(() => stage.end())

const echo = async (path: string, options: Parameters<typeof call>[2] = {}): Promise<Echo> =>
  JSON.parse((await call(proxy, path, options)).body) as Echo

describe('a forwarded request', () => {
  it('reaches the function in any case with the path after its name, bytes unchanged', async () => {
    expect((await echo('/functions/FN/b//c%20d?x=%2F')).url).toBe('/b//c%20d?x=%2F')
    expect((await echo('/functions/fn')).url).toBe('/')
    expect((await echo('/functions/Fn?x=1')).url).toBe('/?x=1')
  })

  it('may be in absolute form', async () => {
    const answer = await exchangeRaw(
      proxy,
      'GET http://other/functions/fn/a HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n',
    )
    expect(answer).toContain('"url":"/a"')
  })

  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY'])('keeps the method %s', async method => {
    expect((await echo('/functions/fn', { method })).method).toBe(method)
  })

  it('carries a body with a length and one in chunks', async () => {
    const body = Buffer.alloc(100_000, 'abc')
    const withLength = await echo('/functions/fn', { method: 'POST', body, headers: { 'content-length': body.length } })
    expect(withLength.body === body.toString()).toBe(true)
    expect(withLength.headers['content-length']).toBe('100000')
    const chunked = await echo('/functions/fn', { method: 'POST', body, headers: { 'transfer-encoding': 'chunked' } })
    expect(chunked.body === body.toString()).toBe(true)
    expect(chunked.headers['transfer-encoding']).toBe('chunked')
  })

  it('loses hop-by-hop headers and those that Connection names, but not its length', async () => {
    const { headers, body } = await echo('/functions/fn', {
      method: 'POST',
      body: 'hello',
      headers: {
        connection: 'close, x-mine, content-length, host',
        'x-mine': '1',
        te: 'trailers',
        'keep-alive': 'timeout=1',
        'proxy-authorization': 'x',
        'proxy-connection': 'x',
        'content-length': 5,
        'x-other': '2',
      },
    })
    expect(body).toBe('hello')
    expect(headers).toMatchObject({ 'x-other': '2', 'content-length': '5' })
    expect(headers['host']).toContain('127.0.0.1')
    for (const name of ['x-mine', 'te', 'keep-alive', 'proxy-authorization', 'proxy-connection']) {
      expect(headers).not.toHaveProperty(name)
    }
  })

  it('cannot set what only the platform sets', async () => {
    const internal = { 'x-ryo-faas-error': 'X', 'X-Ryo-Faas-Anything': '1', 'x-call-id': '1', 'X-Call-Attempt': '2' }
    const { headers } = await echo('/functions/fn', { headers: internal })
    for (const name of Object.keys(internal)) expect(headers).not.toHaveProperty(name.toLowerCase())
  })

  it('tells who called: X-Forwarded-*, Host, request id, trace, deadline', async () => {
    const { headers } = await echo('/functions/fn', { headers: { host: 'faas.test:1' } })
    expect(headers).toMatchObject({
      host: 'faas.test:1',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'faas.test:1',
    })
    expect(headers['x-request-id']).toMatch(/^[0-9a-f]{32}$/)
    expect(headers['traceparent']).toMatch(new RegExp(`^00-${headers['x-request-id']}-[0-9a-f]{16}-02$`))
    const deadlineMs = Number(headers['x-ryo-faas-deadline-ms'])
    expect(deadlineMs).toBeGreaterThan(4_000)
    expect(deadlineMs).toBeLessThanOrEqual(60_000)
  })

  it('keeps a sane request id and trace, and replaces others', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00'
    const kept = { 'x-request-id': 'my/id:1', traceparent, tracestate: 'a=1', 'x-ryo-faas-deadline-ms': '1000' }
    const { headers } = await echo('/functions/fn', { headers: kept })
    expect(headers).toMatchObject({ 'x-request-id': 'my/id:1', traceparent, tracestate: 'a=1' })
    expect(Number(headers['x-ryo-faas-deadline-ms'])).toBeLessThanOrEqual(1000)
    const odd = {
      'x-request-id': 'a b',
      traceparent: '00-zz-1-01',
      tracestate: 'a=1',
      'x-ryo-faas-deadline-ms': '99999',
    }
    const replaced = (await echo('/functions/fn', { headers: odd })).headers
    expect(replaced['x-request-id']).toMatch(/^[0-9a-f]{32}$/)
    expect(replaced['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-02$/)
    expect(replaced).not.toHaveProperty('tracestate')
    expect(Number(replaced['x-ryo-faas-deadline-ms'])).toBeLessThanOrEqual(60_000)
  })

  // Node 20, on which no part runs, takes every offer for an upgrade.
  // What the proxy runs on; older ones cannot ignore an upgrade.
  const canIgnoreUpgrades = Number(process.versions.node.split('.')[0]) >= 24
  if (canIgnoreUpgrades)
    it('may offer HTTP/2: it is answered as if it had not', async () => {
      const offer = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAAP__' }
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
      stage.onEnd(() => agent.destroy())
      const body = Buffer.alloc(100_000, 'abc')
      for (const [method, sent] of [
        ['GET', undefined],
        ['POST', { 'content-length': body.length }],
        ['PUT', { 'transfer-encoding': 'chunked' }],
        ['GET', undefined],
      ] as const) {
        const content = sent === undefined ? {} : { body }
        const answer = await echo('/functions/fn', { method, agent, headers: { ...offer, ...sent }, ...content })
        expect(answer.method).toBe(method)
        expect(answer.body === (sent === undefined ? '' : body.toString())).toBe(true)
        for (const name of ['upgrade', 'http2-settings']) expect(answer.headers).not.toHaveProperty(name)
        expect(answer.headers['connection'] ?? '').not.toMatch(/upgrade|settings/i)
      }
      // Not even if `Connection` does not name them.
      const { headers } = await echo('/functions/fn', { headers: { ...offer, connection: 'keep-alive' } })
      for (const name of ['upgrade', 'http2-settings']) expect(headers).not.toHaveProperty(name)
    })

  it('goes over a kept connection', async () => {
    for (let i = 0; i < 20; i += 1) await echo('/functions/fn')
    expect(instance.connections.size).toBe(1)
  })
})

it('pipelined requests are answered in order', async () => {
  const requests = ['/1', '/none', '/2'].map((path, i) =>
    path === '/none'
      ? 'GET /functions/none HTTP/1.1\r\nHost: a\r\n\r\n'
      : `GET /functions/fn${path} HTTP/1.1\r\nHost: a\r\n${i === 2 ? 'Connection: close\r\n' : ''}\r\n`,
  )
  expect(await exchangeRaw(proxy, requests.join(''))).toMatch(/"url":"\/1"[^]*FUNCTION_NOT_FOUND[^]*"url":"\/2"/)
})

describe('an answer', () => {
  it('comes back without hop-by-hop headers, with the request id of the call', async () => {
    const { headers } = await call(proxy, '/functions/fn', { headers: { 'x-request-id': 'mine' } })
    expect(headers['x-request-id']).toBe('mine')
    expect(headers['set-cookie']).toEqual(['a=1', 'b=2'])
    expect(headers).not.toHaveProperty('x-hop')
  })

  it.each([204, 304, 200])('with status %i to HEAD or without a body keeps the connection in step', async status => {
    const other = await stage.http((_request, response) => {
      response.writeHead(status, status === 200 ? { 'content-length': 5 } : {})
      response.end()
    })
    await stage.serve(proxy, [other])
    for (let i = 0; i < 3; i += 1) {
      const method = status === 200 ? 'HEAD' : 'GET'
      expect(await call(proxy, '/functions/fn', { method })).toMatchObject({ status, body: '' })
    }
    expect(other.connections.size).toBe(1)
  })

  it('may be preceded by 100 and 103, and 103 reaches the client', async () => {
    const hints = await stage.raw(socket => {
      socket.on('data', () => {
        socket.write('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n')
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      })
    })
    await stage.serve(proxy, [hints])
    const answer = await exchangeRaw(proxy, 'GET /functions/fn HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect(answer).toContain('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload')
    expect(answer).toMatch(/HTTP\/1.1 200 OK[^]*ok$/)
  })

  it('answers Expect: 100-continue only when an instance takes the body', async () => {
    const head = 'Host: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n'
    expect(await exchangeRaw(proxy, `POST /functions/none HTTP/1.1\r\n${head}`)).toMatch(/^HTTP\/1.1 404/)
    const answer = await exchangeRaw(proxy, `POST /functions/fn HTTP/1.1\r\n${head}hi`)
    expect(answer).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK[^]*"body":"hi"/)
  })
})

describe('what is not a function', () => {
  it('gets a platform error or the proxy itself', async () => {
    const missing = await call(proxy, '/functions/none', { headers: { 'x-request-id': 'r1' } })
    expect(missing).toMatchObject({ status: 404, code: 'FUNCTION_NOT_FOUND' })
    expect(JSON.parse(missing.body)).toEqual({
      error: { code: 'FUNCTION_NOT_FOUND', message: 'there is no function none', requestId: 'r1' },
    })
    // Document events come from the dispatcher alone.
    const forged = { method: 'POST', headers: { 'x-ryo-faas-dispatch': 'guessed' } }
    expect(await call(proxy, '/functions/fn/.ryo-faas/events/on', forged)).toMatchObject({
      status: 404,
      code: 'FUNCTION_NOT_FOUND',
    })
    expect(await call(proxy, '/functions/fn/.ryo-faas/health')).toMatchObject({
      status: 404,
      code: 'FUNCTION_NOT_FOUND',
    })
    expect(await call(proxy, '/elsewhere')).toMatchObject({ status: 404, code: 'FUNCTION_NOT_FOUND' })
    expect(await call(proxy, '/%zz')).toMatchObject({ status: 400, code: 'BAD_REQUEST' })
    expect((await call(proxy, '/healthz')).status).toBe(200)
    expect((await call(proxy, '/readyz')).status).toBe(200)
    expect(instance.received()).toBe('')
  })

  it('is not ready before it has routes', async () => {
    expect((await call(await stage.proxy(), '/readyz')).status).toBe(503)
  })
})

it('a depth in document events passes only as the platform signed it', async () => {
  const key = 'the key of all functions'
  const signing = await stage.proxy({ access: { ...TEST_KEYS, functions: key } })
  const seen: unknown[] = []
  const instance = await stage.http((request, response) => {
    seen.push(request.headers['x-event-depth'])
    response.end()
  })
  await stage.serve(signing, [instance])
  await stage.serve(proxy, [instance])
  const send = (to: Proxy, depth: string) => call(to, '/functions/fn', { headers: { 'X-Event-Depth': depth } })
  const signed = signDepth(key, 3)
  await send(signing, signed)
  for (const forged of ['17', 'x', '', signDepth('another key of functions', 17), `17${signed.slice(1)}`]) {
    await send(signing, forged)
  }
  await send(proxy, signed)
  expect(seen).toEqual([signed, ...Array.from({ length: 6 }, () => undefined)])
})

describe('what a request says of where it comes from', () => {
  const claims = {
    'X-Forwarded-For': '6.6.6.6',
    'X-Forwarded-Proto': 'https',
    'X-Forwarded-Host': 'bank.example',
    'X-Real-IP': '6.6.6.6',
    Forwarded: 'for=6.6.6.6',
  }
  async function seenBy(trustProxy: string[]): Promise<http.IncomingHttpHeaders> {
    const asked = await stage.proxy({ trustProxy })
    let seen: http.IncomingHttpHeaders = {}
    const server = await stage.http((request, response) => {
      seen = request.headers
      response.end()
    })
    await stage.serve(asked, [server])
    await call(asked, '/functions/fn', { headers: { host: 'faas.test', ...claims } })
    return seen
  }

  it.each([[[]], [['10.0.0.0/8', 'fd00::/8']]])('is replaced by what we see: trusting %j', async trusted => {
    const seen = await seenBy(trusted)
    expect(seen).toMatchObject({
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'faas.test',
    })
    expect(seen).not.toHaveProperty('x-real-ip')
    expect(seen).not.toHaveProperty('forwarded')
  })

  it.each([[['127.0.0.1']], [['::1', '127.0.0.0/8']]])('is believed of a peer that is trusted: %j', async trusted => {
    expect(await seenBy(trusted)).toMatchObject({
      'x-forwarded-for': '6.6.6.6, 127.0.0.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'bank.example',
      'x-real-ip': '6.6.6.6',
      forwarded: 'for=6.6.6.6',
    })
  })

  it.each(['10.0.0.0/33', 'example.com', '10.0.0.0/8/8', '', '10.0.0/8', 'fd00::/129'])(
    'is not trusted to "%s", which is no network',
    async network => {
      await expect(stage.proxy({ trustProxy: [network] })).rejects.toThrow(/must be an address or a network/)
    },
  )
})

it('a function cannot have a service worker beyond its own path', async () => {
  const server = await stage.http((_request, response) => {
    response.writeHead(200, { 'Service-Worker-Allowed': '/', 'x-kept': '1' }).end()
  })
  await stage.serve(proxy, [server])
  const { headers } = await call(proxy, '/functions/fn')
  expect(headers).not.toHaveProperty('service-worker-allowed')
  expect(headers).toMatchObject({ 'x-kept': '1' })
})

describe('what shows an instance that the platform sends a request', () => {
  const functionsKey = 'the key of all functions'
  const dispatchToken = 'a-secret-of-the-platform'
  const seenBy = async (headers: Record<string, string>) => {
    const own = await stage.proxy({ access: { ...TEST_KEYS, functions: functionsKey, part: dispatchToken } })
    let seen: unknown
    const instance = await stage.http((request, response) => {
      seen = request.headers['x-ryo-faas-delivery']
      response.end()
    })
    await stage.serve(own, [instance])
    await call(own, '/functions/fn', { headers })
    return seen
  }

  it('goes with what the dispatcher sends', async () => {
    expect(await seenBy({ 'x-ryo-faas-dispatch': dispatchToken })).toBe(deliveryToken(functionsKey, 'fn'))
  })

  it.each([
    {},
    { 'x-ryo-faas-dispatch': 'guessed' },
    { 'x-ryo-faas-delivery': deliveryToken(functionsKey, 'fn') },
    { 'X-Ryo-Faas-Delivery': 'x', connection: 'x-ryo-faas-delivery' },
  ])('goes with nothing else: %j', async headers => {
    expect(await seenBy(headers)).toBeUndefined()
  })
})
