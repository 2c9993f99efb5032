import http, { type IncomingMessage } from 'node:http'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { CallPage, CallStatus, CallView } from '../../../contract/index.ts'
import { Credentials } from '../../../access/index.ts'
import { CallIdSource, ensureStreams, STREAMS, subjectOf, type Bus } from '../../../bus/index.ts'
import { encodeEnvelope, writeState, type CallState } from '../../../calls/index.ts'
import { managerOf, startNats, type TestNats } from '../../../bus/testing/nats-server.ts'
import { AS_OPERATOR, TEST_KEYS } from '../../../access/access-testing.ts'
import { call as callAs, Stage, until } from '../proxy-testing.ts'
import type { Proxy } from '../proxy.ts'

const ids = new CallIdSource()
/** As the operator. */
const call: typeof callAs = (to, path, { headers, ...options } = {}) =>
  callAs(to, path, { ...options, headers: { ...AS_OPERATOR, ...headers } })
let nats: TestNats
let bus: Bus
let stage: Stage
let proxy: Proxy

beforeAll(async () => {
  nats = await startNats()
  bus = await nats.connect()
  await ensureStreams(bus)
})
afterAll(() => nats.stop())

beforeEach(async () => {
  stage = new Stage()
  const { url, user, password } = nats
  proxy = await stage.proxy({ nats: { url, user, password } })
  await stage.serve(proxy, [], { async: { attempts: 1, backoffMs: 1, concurrency: 1 } })
  await until(async () => (await call(proxy, '/calls')).status === 200, 'the proxy has found the bus')
})
afterEach(async () => {
  await stage.end()
  for (const stream of Object.values(STREAMS)) await managerOf(bus).streams.purge(stream)
})

function stateOf(id: string, status: CallStatus, more: Partial<CallState> = {}): CallState {
  return {
    id,
    function: 'fn',
    status,
    acceptedAt: '2026-01-01T00:00:00.000Z',
    attempts: [],
    attemptsBefore: 0,
    ...more,
  }
}

const queued = async (): Promise<string> =>
  (await call(proxy, '/functions/fn', { method: 'POST', body: 'x' })).headers['x-call-id'] as string

async function dead(): Promise<string> {
  const id = ids.next('fn')
  const head = {
    v: 1 as const,
    method: 'POST',
    path: '/',
    headers: [],
    acceptedAt: 'then',
    requestId: 'r',
    bodyBytes: 0,
  }
  await bus.publish(subjectOf('dead', id), encodeEnvelope(head, Buffer.alloc(0)))
  await writeState(bus, stateOf(id, 'dead'), 0)
  return id
}

async function json<T>(path: string, method = 'GET', status = 200): Promise<T> {
  const answer = await call(proxy, path, { method })
  expect(answer.status).toBe(status)
  expect(answer.headers['content-type']).toContain('application/json')
  return JSON.parse(answer.body) as T
}

describe('GET /calls/<id>', () => {
  it('shows a call through its life', async () => {
    const id = await queued()
    expect(await json<CallView>(`/calls/${id}`)).toMatchObject({ id, function: 'fn', status: 'queued', attempts: [] })
    const result = { status: 200, headers: [], bodyBytes: 2, body: Buffer.from('ok').toString('base64') }
    await writeState(bus, stateOf(id, 'succeeded', { result }), 0)
    const view = await json<CallView>(`/calls/${id}`)
    expect(view).toMatchObject({ status: 'succeeded', result: { status: 200, body: 'ok', encoding: 'utf8' } })
    expect(view).not.toHaveProperty('attemptsBefore')
  })

  it.each(['none', '01M86Y44WJAQCBF5RR2S8JC71M-fn', '%2e%2a', 'a.b.>'])('of %s is 404', async id => {
    for (const path of [`/calls/${id}`, `/calls/${id}/result`, `/calls/${id}/events`]) {
      expect(await call(proxy, path)).toMatchObject({ status: 404, code: 'CALL_NOT_FOUND' })
    }
    expect((await call(proxy, `/calls/${id}`, { method: 'DELETE' })).code).toBe('CALL_NOT_FOUND')
    expect((await call(proxy, `/calls/${id}/redrive`, { method: 'POST' })).code).toBe('CALL_NOT_FOUND')
  })

  it('/result is the answer as the function gave it', async () => {
    const id = ids.next('fn')
    const headers: [string, string][] = [
      ['Content-Type', 'text/x'],
      ['Set-Cookie', 'a=1'],
      ['set-cookie', 'b=2'],
      ['Transfer-Encoding', 'chunked'],
      ['Content-Security-Policy', "script-src 'unsafe-inline'"],
    ]
    const result = { status: 418, headers, bodyBytes: 2, body: '/wA=' }
    await writeState(bus, stateOf(id, 'failed', { result }), 0)
    const answer = await call(proxy, `/calls/${id}/result`)
    expect(answer).toMatchObject({ status: 418, body: '\xff\0', headers: { 'content-type': 'text/x' } })
    expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2'])
    // A page in it has no part in the platform's origin.
    expect(answer.headers).toMatchObject({ 'content-security-policy': 'sandbox', 'x-content-type-options': 'nosniff' })
    expect(await call(proxy, `/calls/${await queued()}/result`)).toMatchObject({ status: 404, code: 'CALL_NOT_FOUND' })
  })
})

describe('GET /calls/<id>/result', () => {
  it('says so where the answer was larger than is kept', async () => {
    const id = ids.next('fn')
    const result = { status: 200, headers: [], bodyBytes: 20_971_520, tooLarge: true as const }
    await writeState(bus, stateOf(id, 'succeeded', { result }), 0)
    expect(await json<CallView>(`/calls/${id}`)).toMatchObject({ result: { tooLarge: true, bodyBytes: 20_971_520 } })
    const answer = await call(proxy, `/calls/${id}/result`)
    expect(answer).toMatchObject({ status: 410, code: 'RESULT_TOO_LARGE' })
    expect(answer.body).toContain('20971520 bytes')
  })
})

describe('GET /calls', () => {
  it('lists in pages, filtered', async () => {
    const dying = [await dead(), await dead(), await dead()]
    const waiting = await queued()
    const first = await json<CallPage>('/calls?limit=2')
    expect(first.calls.map(({ id }) => id)).toEqual([waiting, dying[2]])
    const second = await json<CallPage>(`/calls?limit=2&cursor=${first.cursor}`)
    expect(second.calls.map(({ id }) => id)).toEqual([dying[1], dying[0]])
    expect(await json<CallPage>('/calls?status=queued&function=Fn')).toMatchObject({ calls: [{ id: waiting }] })
    expect(await json<CallPage>('/calls?function=other')).toEqual({ calls: [] })
  })

  it.each(['limit=0', 'limit=x', 'status=sleeping', 'cursor=x', 'function=a.>'])('refuses %s', async query => {
    const answer = await call(proxy, `/calls?${query}`)
    expect(answer).toMatchObject({ status: 400, code: 'BAD_REQUEST' })
    expect(answer.body).toContain(query.split('=')[0])
  })
})

describe('DELETE /calls/<id>', () => {
  it('cancels once', async () => {
    const id = await queued()
    expect(await json<CallView>(`/calls/${id}`, 'DELETE')).toMatchObject({ id, status: 'cancelled' })
    expect(await call(proxy, `/calls/${id}`, { method: 'DELETE' })).toMatchObject({ status: 409, code: 'CALL_FINAL' })
    expect((await call(proxy, `/calls/${ids.next('fn')}`, { method: 'DELETE' })).code).toBe('CALL_NOT_FOUND')
  })
})

describe('POST redrive', () => {
  it('puts a dead call back, and no other', async () => {
    const id = await dead()
    expect(await json<CallView>(`/calls/${id}/redrive`, 'POST', 202)).toMatchObject({ id, status: 'queued' })
    expect((await managerOf(bus).streams.info(STREAMS.calls)).state.messages).toBe(1)
    await managerOf(bus).streams.purge(STREAMS.dead)
    expect(await call(proxy, `/calls/${id}/redrive`, { method: 'POST' })).toMatchObject({ status: 409 })
    expect((await call(proxy, `/calls/${ids.next('fn')}/redrive`, { method: 'POST' })).code).toBe('CALL_NOT_FOUND')
  })

  it('puts all back; a body that comes with it means nothing', async () => {
    await Promise.all([dead(), dead(), dead()])
    expect(await json('/calls/redrive?function=other', 'POST', 202)).toEqual({ redriven: 0 })
    const answer = await call(proxy, '/calls/redrive?function=fn', {
      method: 'POST',
      body: '{',
      headers: { 'content-type': 'application/json' },
    })
    expect(answer).toMatchObject({ status: 202, body: '{"redriven":3}' })
  })
})

describe('server-sent events', () => {
  interface Events {
    events: () => { id: string; status: string }[]
    ended: Promise<void>
  }

  async function listen(path: string): Promise<Events> {
    const request = http.get({ host: '127.0.0.1', port: proxy.address.port, path, agent: false, headers: AS_OPERATOR })
    request.on('error', () => undefined)
    const response = await new Promise<IncomingMessage>(resolve => request.on('response', resolve))
    expect(response.headers['content-type']).toBe('text/event-stream')
    let text = ''
    response.on('data', (piece: Buffer) => (text += piece.toString()))
    response.on('error', () => undefined)
    const ended = new Promise<void>(resolve => response.on('close', resolve))
    const events = () =>
      text.split('\n\n').flatMap(block => (block.startsWith('data: ') ? [JSON.parse(block.slice(6)) as never] : []))
    stage.onEnd(() => void request.destroy())
    return { events, ended }
  }

  it('of a call show it now and as it changes, and end with it', async () => {
    const id = await queued()
    const { events, ended } = await listen(`/calls/${id}/events`)
    await until(() => events().length === 1, 'its state now')
    const revision = await writeState(bus, stateOf(id, 'running'), 0)
    await until(() => events().length === 2, 'its next state')
    await writeState(bus, stateOf(id, 'succeeded'), revision)
    await ended
    expect(events().map(({ status }) => status)).toEqual(['queued', 'running', 'succeeded'])
  })

  it('of a function show every call', async () => {
    const { events } = await listen('/calls/events?function=FN')
    await until(async () => {
      await queued()
      return events().length > 0
    }, 'a call is seen')
    const { id } = events()[0]!
    await writeState(bus, stateOf(id, 'running'), 0)
    await until(() => events().some(event => event.id === id && event.status === 'running'), 'its change is seen')
  })

  it('are refused to an address that has 64 of them, until one ends', async () => {
    const ways = ['/calls/events', `/calls/${await queued()}/events`]
    const open = async (index: number, to = proxy) => {
      const path = ways[index % ways.length]!
      const request = http.get({ host: '127.0.0.1', port: to.address.port, path, agent: false, headers: AS_OPERATOR })
      stage.onEnd(() => void request.destroy())
      const response = await new Promise<IncomingMessage>(resolve => request.on('response', resolve))
      response.on('error', () => undefined).resume()
      return { request, response }
    }
    const first = await open(0)
    for (let index = 1; index < 64; index += 1) expect((await open(index)).response.statusCode).toBe(200)
    for (const index of [0, 1]) {
      const { response } = await open(index)
      expect(response).toMatchObject({ statusCode: 429, headers: { 'x-ryo-faas-error': 'TOO_MANY_STREAMS' } })
      expect(response.headers['retry-after']).toBe('1')
    }
    first.request.destroy()
    await until(async () => (await open(0)).response.statusCode === 200, 'another is opened')
  })

  it('are not limited for a reverse proxy that is trusted: many clients come by it', async () => {
    const { url, user, password } = nats
    const behind = await stage.proxy({ nats: { url, user, password }, trustProxy: ['127.0.0.0/8'] })
    const open = () =>
      new Promise<number>(resolve => {
        const { port } = behind.address
        const request = http.get({ host: '127.0.0.1', port, path: '/calls/events', headers: AS_OPERATOR })
        request.on('response', response => resolve(response.on('error', () => undefined).statusCode!))
        stage.onEnd(() => void request.destroy())
      })
    await until(async () => (await call(behind, '/calls')).status === 200, 'the proxy has found the bus')
    for (let index = 0; index < 65; index += 1) expect(await open()).toBe(200)
  })

  it('end when the proxy stops', async () => {
    const id = await queued()
    const one = await listen(`/calls/${id}/events`)
    const all = await listen('/calls/events')
    await proxy.close()
    await Promise.all([one.ended, all.ended])
  })
})

describe('who may do what', () => {
  const functionToken = new Credentials(TEST_KEYS).functionToken({ route: 'fn' })
  const OTHERS: [string, Record<string, string>, number, string][] = [
    ['nobody', {}, 401, 'UNAUTHORIZED'],
    ['a wrong token', { authorization: 'Bearer guessed' }, 401, 'UNAUTHORIZED'],
    ['a function', { authorization: `Bearer ${functionToken}` }, 403, 'FORBIDDEN'],
    ['a page of elsewhere', { ...AS_OPERATOR, origin: 'http://evil.example' }, 403, 'FORBIDDEN'],
    ['a page by a domain of its own', { ...AS_OPERATOR, host: 'evil.example' }, 403, 'FORBIDDEN'],
    ['a form of another site', { ...AS_OPERATOR, 'sec-fetch-site': 'cross-site' }, 403, 'FORBIDDEN'],
  ]

  it.each(OTHERS)('%s neither lists calls nor changes any', async (_who, headers, status, code) => {
    const id = await queued()
    const asked = ['GET /calls', 'HEAD /calls', 'GET /calls/events', `DELETE /calls/${id}`, 'POST /calls/redrive']
    for (const what of [...asked, `POST /calls/${id}/redrive`]) {
      const [method, path] = what.split(' ') as [string, string]
      const answer = await callAs(proxy, path, { method, headers })
      expect([what, answer.status, answer.code]).toEqual([what, status, code])
      expect(answer.headers['www-authenticate']).toBe(status === 401 ? 'Bearer realm="ryo-faas"' : undefined)
    }
    expect(await callAs(proxy, `/calls/${id}`)).toMatchObject({ status: 200 })
  })

  it('who knows the id of a call sees it, by whatever name the proxy is reached; pages of elsewhere do not', async () => {
    const id = await queued()
    const answer = await callAs(proxy, `/calls/${id}`, { headers: { host: 'faas.example' } })
    expect([answer.status, JSON.parse(answer.body)]).toEqual([200, expect.objectContaining({ id, status: 'queued' })])
    const headers = { origin: 'http://evil.example' }
    expect((await callAs(proxy, `/calls/${id}`, { headers })).status).toBe(403)
  })

  it('a proxy that was given no keys has no operator', async () => {
    const { url, user, password } = nats
    const keyless = await stage.proxy({ nats: { url, user, password }, access: undefined })
    expect(await call(keyless, '/calls')).toMatchObject({ status: 401 })
  })
})
