import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { call } from '../call.ts'
import { context, type FunctionContext } from '../context.ts'
import type { DocumentEvent, Service } from '../handlers.ts'
import { store, type StoredDocument, type Table } from '../store.ts'
import { TestClock, testFunction } from './index.ts'

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
