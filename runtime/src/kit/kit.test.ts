import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { call } from '../call.ts'
import { context, type FunctionContext } from '../context.ts'
import type { CloudEvent, DocumentEvent, Service } from '../handlers.ts'
import { publish } from '../publish.ts'
import { store, StoreError, type StoredDocument, type Table } from '../store.ts'
import { TestClock, testFunction, TestStore } from './index.ts'

interface Order {
  amount: number
  state?: string
}

const quiet = { quiet: true } as const

describe('requests', () => {
  it('reach a web-style handler, which finds its context', async () => {
    async function echo(request: Request): Promise<Response> {
      const { name, requestId } = context()
      const { pathname, searchParams } = new URL(request.url)
      const body = await request.text()
      const seen = { name, requestId, pathname, x: searchParams.get('x'), method: request.method, body }
      return Response.json(seen, {
        status: 201,
        headers: [
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
        ],
      })
    }
    const app = await testFunction(echo)
    const response = await app.request('/orders?x=1', { json: { a: 'ä' }, headers: { 'x-request-id': 'r1' } })
    expect(response.status).toBe(201)
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    expect(await response.json()).toEqual({
      ...{ name: 'echo', requestId: 'r1', pathname: '/orders', x: '1', method: 'POST', body: '{"a":"ä"}' },
    })
    expect((await app.request(new Request('http://localhost/there'))).status).toBe(201)
  })

  it('reach a node-style handler and one that takes the context', async () => {
    const node = await testFunction((request: IncomingMessage, response: ServerResponse) => {
      response.setHeader('content-type', 'text/plain')
      request.pipe(response)
    })
    const text = 'x'.repeat(1_000_000)
    expect(await (await node.request('/', { method: 'PUT', body: text })).text()).toBe(text)
    const web = await testFunction(
      (_: Request, { attempt, callId }: FunctionContext) => Response.json({ attempt, callId }),
      {
        style: 'web',
      },
    )
    expect(await (await web.request('/', { callId: 'c1', attempt: 3 })).json()).toEqual({ attempt: 3, callId: 'c1' })
  })

  it('come from whom the test says', async () => {
    const app = await testFunction(() => Response.json(context().caller ?? null))
    const caller = { kind: 'jwt', issuer: 'https://id.example', subject: 'ann', claims: { role: 'admin' } } as const
    expect(await (await app.request('/', { caller })).json()).toEqual(caller)
    expect(await (await app.request('/')).json()).toBeNull()
  })

  it('stream both ways, and are aborted as over a network', async () => {
    const pieces: string[] = []
    let aborted: Promise<unknown> | undefined
    const app = await testFunction(async request => {
      pieces.push(await request.text())
      const { signal } = context()
      aborted = new Promise(resolve => signal.addEventListener('abort', () => resolve(signal.reason)))
      return new Response(
        new ReadableStream({
          start: controller => controller.enqueue(new TextEncoder().encode('first')),
        }),
      )
    })
    const body = new Blob(['a', 'b']).stream()
    const gone = new AbortController()
    const response = await app.request('/', { method: 'POST', body, signal: gone.signal })
    const reader = response.body!.getReader()
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('first')
    expect(pieces).toEqual(['ab'])
    gone.abort()
    expect(await aborted).toMatchObject({ name: 'AbortError' })
  })

  it('have an error of the handler as status 500, and the test sees what was thrown', async () => {
    const thrown = new Error('no luck')
    const app = await testFunction(() => {
      context().log.warn('before', { n: 1 })
      throw thrown
    }, quiet)
    const response = await app.request('/')
    expect(response.status).toBe(500)
    expect(await response.json()).toMatchObject({ error: { code: 'FUNCTION_ERROR' } })
    expect(app.errors.map(({ error }) => error)).toEqual([thrown])
    expect(app.logs).toMatchObject([{ level: 'warn', message: 'before { n: 1 }' }])
  })
})

describe('the store', () => {
  const sum = async () => {
    const orders = store<Order>('orders')
    let total = 0
    for await (const { data } of orders.all({ where: { amount: { '>': 0 } }, orderBy: '-amount', limit: 2 })) {
      total += data.amount
    }
    return Response.json(total)
  }

  it('has the rules of the real one, inside the function and for the test', async () => {
    const app = await testFunction(sum, { store: { orders: { a: { amount: 1 }, b: { amount: 2 }, c: { amount: 4 } } } })
    const orders = app.store<Order>('orders')
    const created = await orders.create({ amount: 8 })
    expect(created.id).toMatch(/^[0-9A-Z]{26}$/)
    expect(await (await app.request('/')).json()).toBe(15)
    await expect(orders.create({ amount: 1 }, { id: 'a' })).rejects.toMatchObject({
      code: 'DOCUMENT_EXISTS',
      status: 409,
    })
    expect(await orders.update('a', { state: 'paid' }, { ifVersion: 1 })).toMatchObject({ version: 2 })
    const late = orders.replace('a', { amount: 3 }, { ifVersion: 1 })
    await expect(late).rejects.toBeInstanceOf(StoreError)
    await expect(late).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    expect(await orders.delete('a')).toBe(true)
    expect(await orders.delete('a')).toBe(false)
    expect(await orders.replace('a', { amount: 5 })).toMatchObject({ version: 4, data: { amount: 5 } })
    expect(app.events.map(({ data }) => [data.kind, data.version])).toEqual([
      ['new-doc', 1],
      ['updated-doc', 2],
      ['deleted-doc', 3],
      ['new-doc', 4],
    ])
    const first = await orders.query({ orderBy: 'amount', limit: 2 })
    expect(first.documents.map(({ id }) => id)).toEqual(['b', 'c'])
    await expect(orders.query({ orderBy: '-amount', cursor: first.cursor! })).rejects.toMatchObject({
      code: 'INVALID_CURSOR',
    })
  })

  it('does a batch as a whole or not at all', async () => {
    const shared = new TestStore()
    await shared.batch([
      { op: 'create', table: 't', id: 'a', data: 1 },
      { op: 'put', table: 't', id: 'b', data: 2 },
    ])
    const refused = shared.batch([
      { op: 'delete', table: 't', id: 'a' },
      { op: 'patch', table: 't', id: 'b', patch: 3, ifMatch: 7 },
    ])
    await expect(refused).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    expect(await shared.table('t').get('a')).toMatchObject({ data: 1 })
  })
})

describe('triggers', () => {
  it('run for writes, one after the other, and what they write sets off others', async () => {
    const seen: string[] = []
    const main = (service: Service) => {
      service
        .http('/', async request => {
          await store<Order>('orders').create({ amount: 1 }, { id: new URL(request.url).searchParams.get('id')! })
          return new Response()
        })
        .on<Order>('orders', ['new-doc'], async function audit({ id, after }) {
          await Promise.resolve()
          seen.push(`audit ${id}`)
          await store('log').create({ amount: after!.amount }, { id })
        })
        .on('log', ['new-doc'], function count({ id, sequence }) {
          seen.push(`count ${id} ${sequence}`)
        })
    }
    const app = await testFunction(main, { style: 'service' })
    await app.request('/?id=a')
    await app.request('/?id=b')
    await app.settled()
    expect(seen.slice(0, 2)).toEqual(['audit a', 'audit b'])
    expect(seen.slice(2)).toEqual(['count a 3', 'count b 4'])
  })

  it('share a store with the function that writes, and surface what they throw', async () => {
    const shared = new TestStore()
    let attempts = 0
    const trigger = ({ id }: DocumentEvent<Order>) => {
      attempts += 1
      if (id !== 'good' && context().attempt < 3) throw new Error(`no ${id}`)
    }
    const on = { table: 'orders', events: ['new-doc'] } as const
    const once = await testFunction(trigger, { ...quiet, store: shared, on })
    await shared.table('orders').create({ amount: 1 }, { id: 'bad' })
    await shared.table('other').create({ amount: 1 }, { id: 'bad' })
    await expect(once.settled()).rejects.toThrow('no bad')
    await shared.table('orders').create({ amount: 1 }, { id: 'good' })
    await once.close()
    expect(attempts).toBe(2)
    const thrice = await testFunction(trigger, { ...quiet, store: shared, on, retries: 2 })
    await shared.table('orders').create({ amount: 1 }, { id: 'bad2' })
    await thrice.close()
    expect(attempts).toBe(5)
  })

  it('run for an event of the test, and reject with what the handler throws', async () => {
    const events: DocumentEvent<Order>[] = []
    const app = await testFunction(
      (event: DocumentEvent<Order>) => {
        if (event.id === 'bad') throw new Error('broken')
        events.push(event)
      },
      { ...quiet, on: [{ table: 'orders', ids: ['a', 'bad'] }], clock: { at: '2026-01-02T03:04:05.000Z' } },
    )
    await app.trigger({ table: 'orders', id: 'a', before: { amount: 1 }, after: { amount: 2 } })
    const time = '2026-01-02T03:04:05.000Z'
    expect(events).toEqual([
      {
        kind: 'updated-doc',
        table: 'orders',
        id: 'a',
        version: 2,
        before: { amount: 1 },
        after: { amount: 2 },
        time,
        sequence: 1,
      },
    ])
    await expect(app.trigger({ table: 'orders', id: 'bad' })).rejects.toThrow('broken')
    await expect(app.trigger({ table: 'orders', id: 'x' })).rejects.toThrow('no trigger for deleted-doc of orders/x')
  })

  it('that set themselves off are stopped', async () => {
    const app = await testFunction(
      async () => {
        await store<number>('t').create(1)
      },
      { on: { table: 't' } },
    )
    await app.store('t').create(0)
    await expect(app.settled()).rejects.toThrow(/EVENT_LOOP: .* chain of 17 document events/)
  })
})

describe('calls', () => {
  const caller = async (request: Request) => {
    const response = await call('Prices', { path: '/eur?of=7', method: 'POST', body: await request.text() })
    return new Response(`${response.status} ${await response.text()}`)
  }

  it('are answered by the test, and recorded', async () => {
    const prices = (request: Request) => new Response(new URL(request.url).pathname, { status: 203 })
    const app = await testFunction(caller, { call: { prices } })
    expect(await (await app.request('/', { method: 'POST', body: 'b' })).text()).toBe('203 /eur')
    expect(app.calls).toMatchObject([{ name: 'prices', method: 'POST', path: '/eur?of=7', body: 'b' }])
    const lonely = await testFunction(caller, quiet)
    expect((await lonely.request('/')).status).toBe(500)
    expect(String(lonely.errors[0]!.error)).toContain("call('prices') has no answer in this test")
  })

  it('reach another function under test, with the same request id', async () => {
    const prices = await testFunction(() => new Response(context().requestId))
    const app = await testFunction(caller, { call: { Prices: prices } })
    expect(await (await app.request('/', { headers: { 'x-request-id': 'r7' } })).text()).toBe('200 r7')
  })

  it('may be asynchronous, with a callback', async () => {
    const order: string[] = []
    const app = await testFunction(
      async () => {
        const headers = { prefer: 'respond-async', 'x-callback-url': 'http://proxy.test/functions/done' }
        const { status, headers: answered } = await call('report', { method: 'POST', body: '1', headers })
        order.push('accepted')
        return Response.json({ status, callId: answered.get('x-call-id') })
      },
      {
        call: {
          report: () => (order.push('ran'), new Response('result', { status: 200 })),
          done: async request => (order.push(`done ${await request.text()}`), new Response()),
        },
      },
    )
    const answer = (await (await app.request('/')).json()) as { status: number; callId: string }
    expect(answer).toEqual({ status: 202, callId: app.calls[0]!.callId })
    await app.settled()
    expect(order).toEqual(['accepted', 'ran', 'done result'])
    expect(app.callbacks).toMatchObject([{ name: 'report', status: 200, body: 'result', callId: answer.callId }])
  })
})

describe('time', () => {
  it('goes on when it is told to: a deadline passes', async () => {
    const left: number[] = []
    const app = await testFunction(
      () => {
        left.push(context().remainingMs())
        const { signal } = context()
        return new Promise<Response>((_, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error)),
        )
      },
      { ...quiet, timeoutMs: 60_000, clock: { at: 0 } },
    )
    const response = app.request('/')
    while (left.length === 0) await new Promise(resolve => setImmediate(resolve))
    await app.clock.advance(59_999)
    await app.clock.advance(1)
    expect((await response).status).toBe(504)
    expect(left).toEqual([60_000])
  })

  it('is the time of documents, and runs by itself unless it has a beginning', async () => {
    const clock = new TestClock({ at: '2026-01-02T03:04:05.678Z' })
    const app = await testFunction(() => new Response(), { clock })
    await clock.advance(1_000)
    expect(await app.store('t').create(1)).toMatchObject({ createdAt: '2026-01-02T03:04:06.678Z' })
    const order: string[] = []
    const running = new TestClock()
    const before = running.now()
    running.after(3_600_000, () => order.push('second'))
    running.after(1_800_000, () => order.push('first'))
    running.after(7_200_000, () => order.push('never'))()
    await running.advance(3_600_000)
    expect(order).toEqual(['first', 'second'])
    expect(running.now() - before).toBeGreaterThanOrEqual(3_600_000)
    await expect(running.advance(-1)).rejects.toThrow(RangeError)
  })
})

describe('isolation', () => {
  it('keeps functions apart that run at the same time: variables, stores, contexts', async () => {
    const before = process.env
    const handler = async () => {
      const { KIT_NAME: name = 'none' } = process.env
      process.env['KIT_OTHER'] = name
      await new Promise(resolve => setImmediate(resolve))
      await store<string>('t').replace('a', name)
      return Response.json([process.env['KIT_OTHER'], 'KIT_NAME' in process.env, context().name])
    }
    const apps = await Promise.all(
      ['one', 'two'].map(name => testFunction(handler, { name, env: { KIT_NAME: name }, secrets: { KEY: 's' } })),
    )
    const answers = await Promise.all(apps.map(async app => (await app.request('/')).json()))
    expect(answers).toEqual([
      ['one', true, 'one'],
      ['two', true, 'two'],
    ])
    expect(await Promise.all(apps.map(app => app.store('t').get('a')))).toMatchObject([
      { data: 'one' },
      { data: 'two' },
    ])
    expect(process.env['KIT_OTHER']).toBeUndefined()
    expect(process.env['KIT_NAME']).toBeUndefined()
    for (const app of apps) await app.close()
    expect(process.env).toBe(before)
  })

  it('runs onStart first and onStop last, and leaves nothing behind', async () => {
    const order: string[] = []
    {
      await using app = await testFunction(
        service => {
          service.onStart(async () => void order.push(`start ${String((await store('t').get('a'))?.data)}`))
          service.onStop(() => void order.push('stop'))
          service.http('/', () => new Response(String(order.push('request'))))
        },
        { style: 'service', store: { t: { a: 1 } } },
      )
      expect((await app.request('/')).status).toBe(200)
      expect((await app.request('/elsewhere')).status).toBe(200)
    }
    expect(order).toEqual(['start 1', 'request', 'request', 'stop'])
    const failing = testFunction(
      service => {
        service.onStart(() => Promise.reject(new Error('no database')))
      },
      { style: 'service', env: { A: '1' } },
    )
    await expect(failing).rejects.toThrow('no database')
  })

  it('says outside of a function how it is tested', () => {
    expect(() => context()).toThrow('testFunction() from @ryo-faas/runtime/testing')
  })
})

it('is typed: what a handler is decides what its test must say', async () => {
  const app = await testFunction(() => new Response())
  expectTypeOf(app.store<Order>('orders')).toEqualTypeOf<Table<Order>>()
  expectTypeOf(app.store<Order>('orders').get('a')).resolves.toEqualTypeOf<StoredDocument<Order> | undefined>()
  expectTypeOf(app.request('/')).resolves.toEqualTypeOf<Response>()
  const compiled = () => {
    // @ts-expect-error A handler with (request, context) must say that it is web style.
    void testFunction((_: Request, { log }: FunctionContext) => (log.info(''), new Response()))
    // @ts-expect-error The main of a service must say that it is one.
    void testFunction((service: Service) => void service.http('/', () => new Response()))
    // @ts-expect-error A trigger needs its table.
    void testFunction((event: DocumentEvent) => void event.id)
    // @ts-expect-error There is no such event.
    void testFunction((event: DocumentEvent) => void event.id, { on: { table: 't', events: ['new'] } })
    void testFunction((event: DocumentEvent<Order>) => void event.after?.amount, { on: { table: 't' } })
    void testFunction(request => new Response(request.url))
    void testFunction(service => void service.onStart(() => undefined), { style: 'service' })
  }
  expect(compiled).toBeTypeOf('function')
})

describe('events', () => {
  it('that are published run the triggers they are for, once for each id, and are recorded', async () => {
    const seen: CloudEvent<{ amount: number }>[] = []
    async function paid(event: CloudEvent<{ amount: number }>): Promise<void> {
      seen.push(event)
      if (event.data!.amount > 1) await publish({ type: 'com.example.paid', data: { amount: event.data!.amount - 1 } })
      await publish({ type: 'com.other', id: 'same' })
    }
    await using app = await testFunction(paid, { ...quiet, onEvent: { type: 'com.example.*', source: '/functions/*' } })
    const event = { specversion: '1.0', id: '1', source: '/functions/x', type: 'com.example.paid' } as const
    await app.trigger({ ...event, data: { amount: 3 } })
    await app.settled()
    expect(seen.map(({ data }) => data!.amount)).toEqual([3, 2, 1])
    expect(app.published.map(({ type }) => type)).toEqual(['com.example.paid', 'com.other', 'com.example.paid'])
    await expect(app.trigger({ ...event, source: '/shop' })).rejects.toThrow('no trigger for com.example.paid of /shop')
  })

  it('that follow from each other without an end are stopped', async () => {
    const echo = async ({ data }: CloudEvent<number>): Promise<void> =>
      void (await publish({ type: 'echo', data: data! + 1 }))
    const app = await testFunction(echo, { ...quiet, onEvent: { type: 'echo' } })
    await app.trigger({ specversion: '1.0', id: '0', source: '/x', type: 'echo', data: 0 })
    await expect(app.settled()).rejects.toThrow('EVENT_LOOP')
    expect(app.published).toHaveLength(17)
  })

  it('reach the handlers of a service', async () => {
    const seen: unknown[] = []
    const main = (service: Service) => void service.onEvent('com.*', event => void seen.push(event.data))
    await using app = await testFunction(main, { style: 'service' })
    await app.trigger({ specversion: '1.0', id: '1', source: '/x', type: 'com.a', data: 7 })
    expect(seen).toEqual([7])
  })
})
