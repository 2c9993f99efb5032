import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { AS_OPERATOR, TEST_KEYS } from '../../../access/access-testing.ts'
import { createCallerKey, Credentials, signDepth } from '../../../access/index.ts'
import { DEPTH_HEADER, ensureStreams, messageAt, STREAMS, streamState, type Bus } from '../../../bus/index.ts'
import { managerOf, startNats, type TestNats } from '../../../bus/testing/nats-server.ts'
import { call, Stage, until, type Answer } from '../proxy-testing.ts'
import type { Proxy } from '../proxy.ts'

const STRUCTURED = { 'content-type': 'application/cloudevents+json' }
const BATCH = { 'content-type': 'application/cloudevents-batch+json' }
const EVENT = { specversion: '1.0', id: '1', source: '/shop', type: 'com.example.paid' }

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
  proxy = await open()
})
afterEach(async () => {
  await stage.end()
  // Also what was remembered of ids.
  await managerOf(bus).streams.delete(STREAMS.published)
  await ensureStreams(bus)
})

async function open(options: Parameters<Stage['proxy']>[0] = {}): Promise<Proxy> {
  const { url, user, password } = nats
  const opened = await stage.proxy({ nats: { url, user, password }, asyncBodyLimitBytes: 2_000_000, ...options })
  await until(async () => (await call(opened, '/calls', { headers: AS_OPERATOR })).status === 200, 'it has the bus')
  return opened
}

const post = (body: unknown, headers: Record<string, string> = STRUCTURED, to = proxy): Promise<Answer> =>
  call(to, '/events', { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) })

async function stored(): Promise<unknown[]> {
  const { firstSequence, lastSequence, messages } = await streamState(bus, STREAMS.published)
  const sequences = Array.from(
    { length: messages === 0 ? 0 : lastSequence - firstSequence + 1 },
    (_, i) => firstSequence + i,
  )
  return Promise.all(
    sequences.map(async at => JSON.parse((await messageAt(bus, STREAMS.published, at))!.data.toString())),
  )
}

it('stores an event before it answers 202, once for each source and id', async () => {
  expect(await post({ ...EVENT, data: { amount: 3 } })).toMatchObject({
    status: 202,
    body: '{"accepted":1,"duplicates":0}',
  })
  expect(await stored()).toEqual([{ ...EVENT, data: { amount: 3 } }])
  expect((await post(EVENT)).body).toBe('{"accepted":0,"duplicates":1}')
  const others = [{ ...EVENT, source: '/other' }, { ...EVENT, id: '2' }, EVENT, { ...EVENT, id: '2' }]
  expect((await post(others, BATCH)).body).toBe('{"accepted":2,"duplicates":2}')
  expect(await stored()).toHaveLength(3)
  for (const accept of ['text/plain', 'application/openmetrics-text']) {
    const { body } = await call(proxy, '/metrics', { headers: { ...AS_OPERATOR, accept } })
    expect(body).toContain('faas_events_received_total{outcome="accepted"} 3\n')
    expect(body).toContain('faas_events_received_total{outcome="duplicate"} 3\n')
  }
})

it('takes the binary mode: attributes from headers, data by its media type', async () => {
  const headers = {
    'ce-specversion': '1.0',
    'ce-id': 'a%20b',
    'ce-source': '/shop',
    'ce-type': 'com.example.paid',
    'ce-own': '7',
  }
  expect(await post('{"amount":3}', { ...headers, 'content-type': 'application/json' })).toMatchObject({ status: 202 })
  expect(await stored()).toEqual([
    { ...EVENT, id: 'a b', own: '7', datacontenttype: 'application/json', data: { amount: 3 } },
  ])
})

it('stores none of a batch with an invalid event, and names what is wrong', async () => {
  const answer = await post([EVENT, { ...EVENT, id: '2', time: 'yesterday' }], BATCH)
  expect(answer).toMatchObject({ status: 400, code: 'BAD_REQUEST' })
  expect(answer.body).toContain('event 2 of 2: time: must be a time of RFC 3339')
  expect(await stored()).toEqual([])
})

it('refuses what is too much: a long event, a long body, a long batch', async () => {
  const long = { ...EVENT, data: 'x'.repeat(600_000) }
  expect(await post([EVENT, long], BATCH)).toMatchObject({ status: 413, code: 'PAYLOAD_TOO_LARGE' })
  expect(await post({ ...EVENT, data: 'x'.repeat(2_000_000) })).toMatchObject({ status: 413 })
  const many = Array.from({ length: 1_001 }, (_, id) => ({ ...EVENT, id: `${id}` }))
  expect(await post(many, BATCH)).toMatchObject({ status: 413 })
  expect(await stored()).toEqual([])
  expect(await post(many.slice(1), BATCH)).toMatchObject({ status: 202, body: '{"accepted":1000,"duplicates":0}' })
  expect(await post({ ...EVENT, data: 'x'.repeat(65_536) })).toMatchObject({ status: 202 })
})

it('is posted to', async () => {
  expect(await call(proxy, '/events')).toMatchObject({ status: 405, headers: { allow: 'POST' } })
})

it('keeps the depth of a chain only as the platform has signed it', async () => {
  await post(
    { ...EVENT, id: 'a', eventdepth: 9 },
    { ...STRUCTURED, 'x-event-depth': signDepth(TEST_KEYS.functions, 3) },
  )
  await post({ ...EVENT, id: 'b' }, { ...STRUCTURED, 'x-event-depth': '12.forged' })
  const { firstSequence } = await streamState(bus, STREAMS.published)
  const depths = [0, 1].map(async i =>
    (await messageAt(bus, STREAMS.published, firstSequence + i))!.header(DEPTH_HEADER),
  )
  expect(await Promise.all(depths)).toEqual(['3', undefined])
})

it('without a bus there is no 202', async () => {
  const alone = await stage.proxy()
  expect(await post(EVENT, STRUCTURED, alone)).toMatchObject({ status: 503, code: 'ASYNC_UNAVAILABLE' })
})

it('adds the trace of the request to an event that has none', async () => {
  const traced = await open({ traces: { url: 'http://127.0.0.1:9/v1/traces', perSecond: 50, ratio: 1, slowMs: 1_000 } })
  const traceparent = '00-12345678901234567890123456789012-1234567890123456-01'
  await post({ ...EVENT, id: 'bare' }, { ...STRUCTURED, traceparent }, traced)
  await post(
    { ...EVENT, id: 'own', traceparent: traceparent.replaceAll('1', '2') },
    { ...STRUCTURED, traceparent },
    traced,
  )
  const [bare, own] = (await stored()) as { traceparent: string }[]
  expect(bare!.traceparent).toMatch(/^00-12345678901234567890123456789012-(?!1234567890123456)[0-9a-f]{16}-01$/)
  expect(own!.traceparent).toBe(traceparent.replaceAll('1', '2'))
})

describe('who may', () => {
  const bearer = (token: string) => ({ ...STRUCTURED, authorization: `Bearer ${token}` })
  const statuses = async (to: Proxy, headers: Record<string, string>[]) =>
    Promise.all(headers.map(async (each, i) => (await post({ ...EVENT, id: `who ${i}` }, each, to)).status))

  it('on loopback: programs of this machine, no pages, nobody behind a proxy', async () => {
    const page = { ...STRUCTURED, origin: 'https://evil.example' }
    const rebound = { ...STRUCTURED, host: 'evil.example' }
    const forwarded = { ...STRUCTURED, 'x-forwarded-for': '203.0.113.7' }
    expect(await statuses(proxy, [STRUCTURED, page, rebound, forwarded])).toEqual([202, 403, 403, 401])
  })

  it('beyond it: functions, the operator, and keys for events', async () => {
    const wide = await open({ host: '0.0.0.0' })
    const [forEvents, forFunctions, expired] = [createCallerKey(), createCallerKey(), createCallerKey()]
    await wide.setRoutes({
      generation: 1,
      routes: [],
      keys: [
        { ...forEvents, name: 'sender', events: true },
        { ...forFunctions, name: 'caller' },
        { ...expired, name: 'late', events: true, expiresAt: new Date(0).toISOString() },
      ],
    })
    const ofFunction = new Credentials(TEST_KEYS).functionToken({ route: 'fn' })
    const good = [
      bearer(forEvents.key),
      { ...STRUCTURED, 'x-api-key': forEvents.key },
      { ...STRUCTURED, ...AS_OPERATOR },
    ]
    expect(await statuses(wide, [...good, { ...STRUCTURED, 'proxy-authorization': `Bearer ${ofFunction}` }])).toEqual([
      202, 202, 202, 202,
    ])
    const bad = [STRUCTURED, bearer(forFunctions.key), bearer(expired.key), bearer('guessed')]
    expect(await statuses(wide, bad)).toEqual([401, 401, 401, 401])
  })
})
