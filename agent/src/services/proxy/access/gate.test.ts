import { createHook } from 'node:async_hooks'
import http from 'node:http'
import net, { type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest'
import { AS_OPERATOR, TEST_KEYS } from '../../../access/access-testing.ts'
import { Credentials } from '../../../access/index.ts'
import { call, exchangeRaw, Stage, until, type TestInstance } from '../proxy-testing.ts'
import type { Proxy } from '../proxy.ts'
import { createGate, PASS, refused, Requester, type Rules, type Verdict } from './gate.ts'

const credentials = new Credentials(TEST_KEYS)
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const FUNCTION = bearer(credentials.functionToken({ route: 'other' }))
const PART = bearer(TEST_KEYS.part)

function asking(headers: object, remoteAddress = '192.0.2.7'): Requester {
  return new Requester({ headers: { host: '127.0.0.1', ...headers }, socket: { remoteAddress } }, credentials)
}

test.each([
  ['the operator', AS_OPERATOR, 'operator'],
  ['a part', PART, 'part'],
  ['a function', FUNCTION, 'function'],
  ['somebody with a token of another system', bearer('eyJhbGciOiJub25lIn0.e30.'), 'caller'],
  ['anybody', {}, 'caller'],
])('%s is known by what it shows', (_who, headers, kind) => {
  expect(asking(headers).principal.kind).toBe(kind)
})

test.each([
  ['nothing', undefined, {}, undefined],
  ['open', 'open', {}, undefined],
  ['operator', 'operator', {}, 'UNAUTHORIZED'],
  ['operator', 'operator', AS_OPERATOR, undefined],
  ['operator', 'operator', PART, 'FORBIDDEN'],
  ['operator', 'operator', FUNCTION, 'FORBIDDEN'],
  ['operator', 'operator', { ...AS_OPERATOR, host: 'evil.example' }, 'FORBIDDEN'],
  ['id', 'id', { host: 'any.example' }, undefined],
  ['id', 'id', { origin: 'http://evil.example' }, 'FORBIDDEN'],
  ['local', 'local', {}, 'UNAUTHORIZED'],
  ['a rule of a later release', 'later', AS_OPERATOR, 'FORBIDDEN'],
  ['a rule named like a property of every object', 'constructor', AS_OPERATOR, 'FORBIDDEN'],
])('a place with %s, asked with %3$j, refuses with %4$s', (_rule, kind, headers, code) => {
  const verdict = createGate()(asking(headers), { name: 'fn', ...(kind !== undefined && { access: { kind } }) })
  expect(verdict).toMatchObject(code === undefined ? { kind: 'pass' } : { kind: 'refuse', code })
})

describe('before functions', () => {
  let stage: Stage
  let proxy: Proxy
  let instance: TestInstance
  let asked: { name: string; principal: string }[]
  /** Settles the promise of the rule `later`. */
  let settle: ((verdict: Verdict) => void)[]
  const REFUSED = refused('UNAUTHORIZED', 'not without a ticket')

  const rules: Rules = {
    never: () => REFUSED,
    operators: ({ principal }, { name }) => {
      asked.push({ name, principal: principal.kind })
      return principal.kind === 'operator' ? PASS : REFUSED
    },
    later: () => new Promise(resolve => settle.push(resolve)),
    throws: () => {
      throw new Error('broken')
    },
    rejects: () => Promise.reject(new Error('broken')),
  }

  beforeEach(async () => {
    stage = new Stage()
    asked = []
    settle = []
    proxy = await stage.proxy({ graceMs: 5_000 }, rules)
    instance = await stage.http(
      (request, response) => void request.pipe(response),
      (_request, socket) =>
        socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhi'),
    )
  })
  afterEach(() => stage.end())
  const serve = (kind: string) => stage.serve(proxy, [instance], { access: { kind } })

  it('a rule that refuses is answered with its code, and no instance hears of the request', async () => {
    await serve('never')
    const answer = await call(proxy, '/functions/fn', { method: 'POST', body: 'x'.repeat(100_000) })
    expect(answer).toMatchObject({ status: 401, code: 'UNAUTHORIZED' })
    expect(JSON.parse(answer.body)).toMatchObject({ error: { message: 'not without a ticket' } })
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="ryo-faas"')
    expect(instance.received()).toBe('')
  })

  it('a rule is told who asks for what', async () => {
    await serve('operators')
    expect((await call(proxy, '/functions/FN', { headers: AS_OPERATOR, method: 'POST', body: 'in' })).body).toBe('in')
    expect((await call(proxy, '/functions/fn')).status).toBe(401)
    expect((await call(proxy, '/functions/fn', { headers: FUNCTION })).status).toBe(401)
    expect(asked).toEqual(['operator', 'caller', 'function'].map(principal => ({ name: 'fn', principal })))
  })

  it('what the dispatcher sends was let in when it was queued', async () => {
    await serve('never')
    const headers = { 'x-ryo-faas-dispatch': TEST_KEYS.part }
    expect((await call(proxy, '/functions/fn', { headers, method: 'POST', body: 'in' })).body).toBe('in')
  })

  it.each([
    ['at once', 'never'],
    ['after a while', 'later'],
  ])('refused %s, a connection goes on with its next request, whose body is its own', async (_when, kind) => {
    await serve(kind)
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    stage.onEnd(() => agent.destroy())
    const first = call(proxy, '/functions/fn', { agent, method: 'POST', body: 'y'.repeat(300_000) })
    if (kind === 'later') await until(() => settle.length === 1, 'the rule is asked')
    settle[0]?.(REFUSED)
    expect(await first).toMatchObject({ status: 401 })
    await stage.serve(proxy, [instance])
    expect((await call(proxy, '/functions/fn', { agent, method: 'POST', body: 'mine' })).body).toBe('mine')
    expect(instance.received()).not.toContain('yyy')
  })

  it('a body waits for a verdict that is promised, and comes whole', async () => {
    await serve('later')
    const body = Buffer.alloc(1_000_000, 'abcdefg')
    const answer = call(proxy, '/functions/fn', { method: 'POST', body })
    await until(() => settle.length === 1, 'the rule is asked')
    expect(instance.received()).toBe('')
    settle[0]!(PASS)
    expect((await answer).body).toBe(body.toString())
  })

  it('a client that waits for a 100 gets one only if it is let in', async () => {
    const head =
      'POST /functions/fn HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n'
    await serve('never')
    expect(await exchangeRaw(proxy, head)).toMatch(/^HTTP\/1.1 401 /)
    await serve('later')
    const answer = exchangeRaw(proxy, `${head}in`)
    await until(() => settle.length === 1, 'the rule is asked')
    settle[0]!(PASS)
    expect(await answer).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n[^]*in/)
  })

  const UPGRADE = 'GET /functions/fn HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'

  it('a request to upgrade is refused, and the connection closed', async () => {
    await serve('never')
    expect(await exchangeRaw(proxy, UPGRADE)).toMatch(/^HTTP\/1.1 401 /)
    await serve('later')
    const answer = exchangeRaw(proxy, UPGRADE)
    await until(() => settle.length === 1, 'the rule is asked')
    settle[0]!(REFUSED)
    expect(await answer).toMatch(/^HTTP\/1.1 401 /)
    expect(instance.received()).toBe('')
  })

  it('a request to upgrade is let in when the promised verdict says so', async () => {
    await serve('later')
    const answer = exchangeRaw(proxy, UPGRADE)
    await until(() => settle.length === 1, 'the rule is asked')
    settle[0]!(PASS)
    expect(await answer).toMatch(/^HTTP\/1.1 101 [^]*hi$/)
  })

  it('an asynchronous call is refused before anything is queued', async () => {
    await serve('never')
    const send = () => call(proxy, '/async-function/fn', { method: 'POST', body: 'x' })
    expect(await send()).toMatchObject({ status: 401 })
    await serve('later')
    const answer = send()
    await until(() => settle.length === 1, 'the rule is asked')
    settle[0]!(PASS)
    // Let in; there is no bus in this test.
    expect(await answer).toMatchObject({ status: 503, code: 'ASYNC_UNAVAILABLE' })
  })

  it.each(['throws', 'rejects', 'later'])('without a verdict nobody is let in (%s)', async kind => {
    proxy = await stage.proxy({ verdictTimeoutMs: 50 }, rules)
    await serve(kind)
    const answer = await call(proxy, '/functions/fn')
    expect(answer).toMatchObject({ status: 503, code: 'FUNCTION_UNAVAILABLE', headers: { 'retry-after': '1' } })
    settle[0]?.(PASS)
    expect(instance.received()).toBe('')
  })

  it('a function that goes while a request waits for its verdict is not found', async () => {
    await serve('later')
    const answer = call(proxy, '/functions/fn')
    await until(() => settle.length === 1, 'the rule is asked')
    await stage.serve(proxy, [instance], { name: 'another' })
    settle[0]!(PASS)
    expect(await answer).toMatchObject({ status: 404, code: 'FUNCTION_NOT_FOUND' })
  })

  it('what waits for a verdict is finished before the proxy closes', async () => {
    await serve('later')
    const answer = call(proxy, '/functions/fn', { method: 'POST', body: 'in' })
    await until(() => settle.length === 1, 'the rule is asked')
    const closed = proxy.close()
    await until(
      () =>
        call(proxy, '/healthz').then(
          () => false,
          () => true,
        ),
      'it accepts no more',
    )
    settle[0]!(PASS)
    expect((await answer).body).toBe('in')
    await closed
  })

  it('a client that leaves while it waits is not run', async () => {
    await serve('later')
    const request = http.request({ port: proxy.address.port, path: '/functions/fn', agent: false })
    const gone = new Promise(resolve => request.once('close', resolve))
    request.on('error', () => undefined).end()
    await until(() => settle.length === 1, 'the rule is asked')
    request.destroy()
    await gone
    // Whoever connects next finds the first connection closed.
    expect((await call(proxy, '/healthz')).status).toBe(200)
    settle[0]!(PASS)
    await stage.serve(proxy, [instance])
    expect((await call(proxy, '/functions/fn', { method: 'POST', body: 'in' })).body).toBe('in')
    expect(instance.received().match(/HTTP\/1.1/g)).toHaveLength(1)
  })

  it('a verdict that is there at once costs no promise', async () => {
    const raw = await stage.raw(socket => {
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
    })
    await stage.serve(proxy, [raw], { access: { kind: 'operators' } })
    const head = `GET /functions/fn HTTP/1.1\r\nHost: a\r\nAuthorization: ${AS_OPERATOR.authorization}\r\n\r\n`
    const socket = net.connect(proxy.address.port, '127.0.0.1')
    stage.onEnd(() => void socket.destroy())
    const requests = 300
    await repeat(socket, head, 10)
    let promises = 0
    const hook = createHook({
      init: (_id, type) => {
        if (type === 'PROMISE') promises += 1
      },
    }).enable()
    await repeat(socket, head, requests)
    hook.disable()
    expect(asked).toHaveLength(requests + 10)
    expect(promises).toBeLessThan(requests / 2)
  })
})

/** One request after the other on one connection; makes one promise in all. */
function repeat(socket: Socket, head: string, times: number): Promise<void> {
  return new Promise(resolve => {
    let left = times
    const onData = (piece: Buffer) => {
      if (!piece.toString('latin1').endsWith('ok')) return
      left -= 1
      if (left > 0) return void socket.write(head)
      socket.off('data', onData)
      resolve()
    }
    socket.on('data', onData)
    socket.write(head)
  })
}
