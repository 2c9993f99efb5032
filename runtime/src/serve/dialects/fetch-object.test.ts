import { H3, toNodeHandler } from 'h3'
import { Hono } from 'hono'
import { expect, test, vi } from 'vitest'
import { HEALTH_PATH } from '../../protocol/index.ts'
import { deferred } from '../../testing/deferred.ts'
import { DELIVERED, send, serveDialect } from '../../testing/serve-handler.ts'
import { expectSameAnswers, type TriedRequest } from '../../testing/same-answers.ts'
import { fetchObject } from './index.ts'

async function answerOf(response: Response) {
  const headers = Object.fromEntries(response.headers)
  for (const name of ['date', 'connection', 'keep-alive', 'content-length', 'transfer-encoding']) delete headers[name]
  return { status: response.status, headers, body: await response.text() }
}

const REQUESTS: [path: string, init?: RequestInit][] = [
  ['/'],
  ['/posts/7?tag=a&tag=b'],
  ['/posts', { method: 'POST', body: JSON.stringify({ a: 1 }), headers: { 'content-type': 'application/json' } }],
  ['/none'],
  ['/fails'],
  ['/old'],
]

test('a Hono app answers as app.request does', async () => {
  const app = new Hono<{ Bindings: { GREETING: string } }>()
  app.use(async (c, next) => {
    await next()
    c.header('x-by', 'hono')
  })
  app.get('/', c => c.text(`${c.env.GREETING}!`))
  app.get('/posts/:id', c => c.json({ id: c.req.param('id'), tags: c.req.queries('tag') }))
  app.post('/posts', async c => c.json(await c.req.json(), 201))
  app.get('/old', c => c.redirect('/'))
  app.get('/fails', () => {
    throw new Error('boom')
  })
  app.onError((error, c) => c.text(error.message, 500))
  await using served = await serveDialect(fetchObject, app)
  for (const [path, init] of REQUESTS) {
    const expected = await answerOf(await app.request(path, init, { GREETING: 'hi' }))
    expect(await answerOf(await fetch(served.url + path, { ...init, redirect: 'manual' }))).toEqual(expected)
  }
})

test('an H3 app answers as under its own server', async () => {
  using _errors = vi.spyOn(console, 'error').mockImplementation(() => {})
  const app = new H3()
  app.get('/', () => 'hi')
  app.get('/posts/:id', event => ({ id: event.context.params?.['id'], tags: event.url.searchParams.getAll('tag') }))
  app.post('/posts', event => event.req.json())
  app.get('/old', () => new Response(null, { status: 302, headers: { location: '/' } }))
  app.get('/fails', () => {
    throw new Error('boom')
  })
  await using served = await serveDialect(fetchObject, app)
  const requests = REQUESTS.map(([path, init]) => ({ ...init, path }) as TriedRequest)
  await expectSameAnswers(served.port, toNodeHandler(app), requests)
})

test('an object with fetch gets the environment and an execution context', async () => {
  const worker = {
    async fetch(request: Request, env: { GREETING: string }, ctx: { passThroughOnException(): void }) {
      ctx.passThroughOnException()
      return new Response(`${env.GREETING} ${new URL(request.url).pathname} ${this === worker}`)
    },
  }
  await using served = await serveDialect(fetchObject, Promise.resolve(worker))
  expect((await send(served.port, { path: '/a' })).body).toBe('hi /a true')
})

test('a drain waits for what the function waits for after its response', async () => {
  using errors = vi.spyOn(console, 'error').mockImplementation(() => {})
  const gate = deferred<void>()
  const events: string[] = []
  const worker = {
    fetch(_request: Request, _env: object, ctx: { waitUntil(work: Promise<unknown>): void }) {
      ctx.waitUntil(gate.promise.then(() => events.push('worked')))
      ctx.waitUntil(Promise.reject(new Error('boom')))
      return new Response('done')
    },
  }
  await using served = await serveDialect(fetchObject, worker, { drainMs: 60_000 })
  expect((await send(served.port)).body).toBe('done')
  const drained = served.server.drain().then(() => events.push('drained'))
  // It stops listening first, and that takes longer than all else.
  await vi.waitFor(() => expect(send(served.port)).rejects.toThrow(), { timeout: 10_000 })
  gate.resolve()
  await drained
  expect(events).toEqual(['worked', 'drained'])
  expect(errors.mock.calls.flat().join(' ')).toMatch(/Background work .*boom/s)
})

test('scheduled runs for the platform only', async () => {
  const ran: unknown[] = []
  const worker = {
    fetch: () => new Response(),
    scheduled: async ({ cron, scheduledTime }: { cron: string; scheduledTime: number }, env: object) => {
      ran.push({ cron, scheduledTime, env })
    },
  }
  await using served = await serveDialect(fetchObject, worker)
  const data = { cron: '0 * * * *' }
  const event = JSON.stringify({ specversion: '1.0', type: 'ryo-faas.schedule', time: '2026-01-01T00:00:00Z', data })
  const path = '/.ryo-faas/events/scheduled'
  expect((await send(served.port, { method: 'POST', path }, event)).status).toBe(404)
  expect((await send(served.port, { method: 'POST', path, headers: DELIVERED }, event)).status).toBe(204)
  expect(ran).toEqual([{ ...data, scheduledTime: Date.UTC(2026), env: { GREETING: 'hi' } }])
})

test('a Worker with scheduled alone answers no requests, and its instance ends after what it waits for', async () => {
  const gate = deferred<void>()
  const events: string[] = []
  const worker = {
    scheduled: (_event: object, _env: object, ctx: { waitUntil(work: Promise<unknown>): void }) =>
      ctx.waitUntil(gate.promise.then(() => events.push('worked'))),
  }
  await using served = await serveDialect(fetchObject, worker)
  const refused = await send(served.port)
  expect(refused.status).toBe(404)
  expect(refused.body).toContain('it runs on schedules and answers no requests')
  const health = await send(served.port, { path: HEALTH_PATH })
  expect(JSON.parse(health.body)).toMatchObject({ isScheduled: true })
  const event = JSON.stringify({ specversion: '1.0', type: 'ryo-faas.schedule', data: { cron: '* * * * *' } })
  const path = '/.ryo-faas/events/scheduled'
  expect((await send(served.port, { method: 'POST', path, headers: DELIVERED }, event)).status).toBe(204)
  const drained = served.server.drain().then(() => events.push('drained'))
  gate.resolve()
  await drained
  expect(events).toEqual(['worked', 'drained'])
})

test('what has no fetch is refused by name', async () => {
  await expect(serveDialect(fetchObject, { fetches: 1 })).rejects.toThrow('Tested does not export an object with fetch')
})
