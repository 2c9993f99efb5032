import type { CloudEvent } from '../handlers.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import type { DocumentEvent, Service } from '../handlers.ts'
import { EVENTS_PREFIX, HEALTH_PATH, type DocumentCloudEvent } from '../protocol/index.ts'
import { DELIVERED, send, serveHandlers } from '../testing/serve-handler.ts'
import { singleTrigger } from './handler-set.ts'
import { ServiceRegistration } from './service-registration.ts'

const CHANGE: DocumentCloudEvent = {
  specversion: '1.0',
  id: '7',
  source: '/ryo-faas/rfa/store',
  type: 'ryo-faas.store.updated-doc',
  subject: 'payments/p1',
  time: '2026-01-02T03:04:05.678Z',
  datacontenttype: 'application/json',
  sequence: '7',
  eventdepth: 0,
  data: {
    kind: 'updated-doc',
    table: 'payments',
    id: 'p1',
    version: 2,
    before: stored(1, { amount: 10 }),
    after: stored(2, { amount: 20 }),
  },
}

function stored(version: number, data: unknown) {
  const time = '2026-01-02T03:04:05.678Z'
  return { id: 'p1', table: 'payments', version, createdAt: time, editedAt: time, data }
}

/** Like an Express app: its arguments go to `handle`, and it calls `next` when nothing fits. */
function app(): { (request: IncomingMessage, response: ServerResponse): void; handle: unknown } {
  const handle = (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): void => {
    if (request.url === '/app/known') response.end('known')
    else if (next) next()
    else response.writeHead(404).end('nothing fits')
  }
  const called = (...given: Parameters<typeof handle>): void => called.handle(...given)
  called.handle = handle
  return called
}

function registered(main: (service: Service) => void): ServiceRegistration {
  const service = new ServiceRegistration()
  main(service)
  return service
}

test('each path has its handler, the longest that fits wins, and the handler sees the whole path', async () => {
  const service = registered(on =>
    on
      .http('/pay', request => new Response(`pay ${new URL(request.url).pathname}`))
      .http(
        '/pay/back/',
        (request: IncomingMessage, response: ServerResponse) => void response.end(`back ${request.url}`),
      )
      .async('/refund', () => new Response('refund')),
  )
  await using served = await serveHandlers(service)
  const get = async (path: string) => (await send(served.port, { path })).body
  expect(await get('/pay')).toBe('pay /pay')
  expect(await get('/pay/7?full=1')).toBe('pay /pay/7')
  expect(await get('/pay/back')).toBe('back /pay/back')
  expect(await get('/pay/back/7?full=1')).toBe('back /pay/back/7?full=1')
  expect(await get('/refund')).toBe('refund')
  const missing = await send(served.port, { path: '/payment' })
  expect(missing.status).toBe(404)
  expect(missing.headers['x-ryo-faas-error']).toBe('HANDLER_NOT_FOUND')
  expect(missing.body).toContain('/pay, /pay/back, /refund')
})

test('the health answer lists what a service serves, with a key for each trigger', async () => {
  const invoice = () => undefined
  const service = registered(on =>
    on
      .http('/pay', () => new Response())
      .on('payments', ['new-doc', 'updated-doc'], invoice)
      .on('orders', ['new-doc'], invoice, { ids: ['a', 'b'] })
      .on('orders', ['deleted-doc'], () => undefined, { name: 'cleanup' }),
  )
  await using served = await serveHandlers(service)
  const health = JSON.parse((await send(served.port, { path: HEALTH_PATH })).body) as { served: unknown }
  expect(health.served).toEqual({
    http: ['/pay'],
    async: [],
    triggers: [
      { key: 'invoice', table: 'payments', events: ['new-doc', 'updated-doc'] },
      { key: 'invoice-2', table: 'orders', events: ['new-doc'], ids: ['a', 'b'] },
      { key: 'cleanup', table: 'orders', events: ['deleted-doc'] },
    ],
  })
})

test('an event reaches its handler as data before and after, and is answered when the handler is done', async () => {
  const seen: DocumentEvent<{ amount: number }>[] = []
  const service = registered(on =>
    on.on<{ amount: number }>('payments', ['updated-doc'], async function invoice(event) {
      await Promise.resolve()
      seen.push(event)
    }),
  )
  await using served = await serveHandlers(service)
  const answer = await send(
    served.port,
    { method: 'POST', path: `${EVENTS_PREFIX}invoice`, headers: DELIVERED },
    JSON.stringify(CHANGE),
  )
  expect(answer.status).toBe(204)
  expect(seen).toEqual([
    {
      kind: 'updated-doc',
      table: 'payments',
      id: 'p1',
      version: 2,
      before: { amount: 10 },
      after: { amount: 20 },
      time: CHANGE.time,
      sequence: 7,
    },
  ])
})

test('an event that is not about a document is passed on unchanged', async () => {
  const seen: unknown[] = []
  await using served = await serveHandlers(singleTrigger({ handler: event => void seen.push(event) }))
  const tick = { specversion: '1.0', id: '1', source: '/timer', type: 'ryo-faas.timer.tick', time: CHANGE.time }
  const post = async (event: object) =>
    (await send(served.port, { method: 'POST', path: `${EVENTS_PREFIX}on`, headers: DELIVERED }, JSON.stringify(event)))
      .status
  expect(await post(tick)).toBe(204)
  expect(seen).toEqual([tick])
  expect(await post({ ...CHANGE, data: {} })).toBe(400)
})

test('a handler that takes whole events gets those of documents with the change as data, and binary data as bytes', async () => {
  const seen: CloudEvent[] = []
  await using served = await serveHandlers(
    singleTrigger({ takesCloudEvent: true, handler: event => void seen.push(event) }),
  )
  const post = async (event: object) =>
    (await send(served.port, { method: 'POST', path: `${EVENTS_PREFIX}on`, headers: DELIVERED }, JSON.stringify(event)))
      .status
  const event = { specversion: '1.0', id: '1', source: '/shop', type: 'com.example.paid', own: 7, data: { amount: 20 } }
  const { data: _, ...bare } = event
  for (const each of [event, { ...bare, data_base64: 'AP8=' }, CHANGE]) expect(await post(each)).toBe(204)
  expect(seen.slice(0, 2)).toEqual([event, { ...bare, data: new Uint8Array([0, 255]) }])
  expect(seen[2]).toEqual({
    ...CHANGE,
    data: expect.objectContaining({ kind: 'updated-doc', before: { amount: 10 }, after: { amount: 20 }, sequence: 7 }),
  })
})

test('a service says which events its handlers are for', async () => {
  const service = new ServiceRegistration()
  service.onEvent<{ amount: number }>('com.example.*', function paid() {})
  service.onEvent({ type: 'com.example.paid', source: '/shop' }, function paid() {}, { name: 'shop' })
  expect(service.served.events).toEqual([
    { key: 'paid', type: 'com.example.*' },
    { key: 'shop', type: 'com.example.paid', source: '/shop' },
  ])
  expect(() => service.onEvent('a*b', () => {})).toThrow('"*" may stand only at the end of "a*b"')
  expect(() => service.onEvent('', () => {})).toThrow('needs a type')
})

test('a trigger that throws is answered with 500, garbage with 400, a request with 404', async () => {
  await using served = await serveHandlers(
    singleTrigger({
      handler: () => {
        throw new Error('not today')
      },
    }),
  )
  const post = async (path: string, body: string) =>
    (await send(served.port, { method: 'POST', path, headers: DELIVERED }, body)).status
  expect(await post(`${EVENTS_PREFIX}on`, JSON.stringify(CHANGE))).toBe(500)
  expect(await post(`${EVENTS_PREFIX}on`, '{"half":')).toBe(400)
  expect(await post(`${EVENTS_PREFIX}on`, 'null')).toBe(400)
  expect(await post(`${EVENTS_PREFIX}other`, JSON.stringify(CHANGE))).toBe(404)
  expect(await post('/', 'hello')).toBe(404)
})

test.each<[string, (service: Service) => unknown, RegExp]>([
  ['a path twice', on => on.http('/a', () => new Response()).async('/a/', () => new Response()), /already served/],
  ['a path with a query', on => on.http('/a?b', () => new Response()), /no query/],
  ['a path without a slash', on => on.http('a', () => new Response()), /starts with \//],
  ['no handler', on => on.http('/a', undefined as never), /needs a function/],
  ['no events', on => on.on('t', [], () => undefined), /list of events/],
  ['an unknown event', on => on.on('t', ['new' as never], () => undefined), /not 'new'/],
  ['no ids', on => on.on('t', ['new-doc'], () => undefined, { ids: [] }), /never run/],
  ['a bad name', on => on.on('t', ['new-doc'], () => undefined, { name: 'a b' }), /letters/],
])('%s is refused when it is registered', (_what, register, message) => {
  expect(() => registered(service => void register(service))).toThrow(message)
})

test('onStart runs first and in order, onStop last and backwards, and nothing is registered after that', async () => {
  const order: string[] = []
  const service = registered(on =>
    on
      .onStart(() => void order.push('start 1'))
      .onStart(async () => {
        await Promise.resolve()
        order.push('start 2')
      })
      .onStop(() => void order.push('stop 1'))
      .onStop(() => {
        order.push('stop 2')
        throw new Error('does not matter')
      }),
  )
  await service.start()
  await service.stop()
  expect(order).toEqual(['start 1', 'start 2', 'stop 2', 'stop 1'])
  expect(() => service.http('/late', () => new Response())).toThrow(/too late/)
})

test('an Express app does not get the context as its next, any other Node-style handler does', async () => {
  const service = registered(on =>
    on
      .http('/app', app(), { style: 'node' })
      .http('/own', (_request, response, { name }) => void response.end(name), { style: 'node' }),
  )
  await using served = await serveHandlers(service)
  expect(await send(served.port, { path: '/app/known' })).toMatchObject({ status: 200, body: 'known' })
  expect(await send(served.port, { path: '/app/unknown' })).toMatchObject({ status: 404, body: 'nothing fits' })
  expect((await send(served.port, { path: '/own' })).body).toBe('Tested')
})
