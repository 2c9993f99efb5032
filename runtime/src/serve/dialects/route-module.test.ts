import { expect, test } from 'vitest'
import type { FunctionContext } from '../../context.ts'
import { send, serveDialect } from '../../testing/serve-handler.ts'
import { routeModule } from './index.ts'

const params = { 'x-ryo-faas-params': encodeURIComponent(JSON.stringify({ id: 'a b' })) }

const module = {
  GET: async (_request: Request, { params }: { params: Promise<{ id?: string }> }) =>
    new Response(`got ${(await params).id}`, { headers: { 'x-a': '1' } }),
  POST: async (request: Request) => Response.json(await request.json(), { status: 201 }),
  helper: () => 1,
}

test('the methods of a module are one function', async () => {
  await using served = await serveDialect(routeModule, module, { options: { passes: 'params' } })
  expect((await send(served.port, { headers: params })).body).toBe('got a b')
  expect((await send(served.port, { method: 'POST' }, '{"a":1}')).status).toBe(201)
  expect(await send(served.port, { method: 'HEAD' })).toMatchObject({ status: 200, body: '', headers: { 'x-a': '1' } })
  const allow = 'GET, HEAD, POST, OPTIONS'
  expect(await send(served.port, { method: 'OPTIONS' })).toMatchObject({ status: 204, headers: { allow } })
  expect(await send(served.port, { method: 'PUT' })).toMatchObject({ status: 405, headers: { allow } })
})

test('parameters are also there at once, and handlers with our context get that', async () => {
  const early = { GET: (_: Request, { params }: { params: { id: string } }) => new Response(params.id) }
  await using next = await serveDialect(routeModule, early, { options: { passes: 'params' } })
  expect((await send(next.port, { headers: params })).body).toBe('a b')
  const ours = { GET: (_: Request, { params, name }: FunctionContext) => new Response(`${name} ${params['id']}`) }
  await using own = await serveDialect(routeModule, ours, { options: { passes: 'context' } })
  expect((await send(own.port, { headers: params })).body).toBe('Tested a b')
  expect((await send(own.port, { headers: { 'x-ryo-faas-params': '%' } })).body).toBe('Tested undefined')
})

test('only the methods that deploy.json names are served', async () => {
  await using served = await serveDialect(routeModule, module, { options: { passes: 'params', methods: ['POST'] } })
  expect((await send(served.port)).status).toBe(405)
  expect((await send(served.port, { method: 'POST' }, '1')).status).toBe(201)
})

test("a handler that wants it gets Next's request", async () => {
  class NextRequest extends Request {
    get nextUrl() {
      return new URL(this.url)
    }
  }
  const next = {
    GET: ({ nextUrl }: NextRequest) => new Response(nextUrl.pathname),
    POST: async (request: NextRequest) => new Response(await request.text()),
  }
  const packages = { 'next/server': { default: { NextRequest } } }
  await using served = await serveDialect(routeModule, next, { options: { passes: 'params' }, packages })
  expect((await send(served.port, { path: '/a' })).body).toBe('/a')
  expect((await send(served.port, { method: 'POST' }, 'hi')).body).toBe('hi')
})
