import { afterEach, beforeEach, expect, it } from 'vitest'
import { call, Stage, type Answer } from '../proxy-testing.ts'
import type { Proxy } from '../proxy.ts'
import type { RouteInput } from '../../../routes/index.ts'

let stage: Stage
let proxy: Proxy
let generation = 0

beforeEach(async () => {
  stage = new Stage()
  proxy = await stage.proxy()
})
afterEach(() => stage.end())

/** Functions that say their name, the path that they see and the parameters that came with it. */
async function serve(routes: Record<string, Partial<RouteInput>>): Promise<void> {
  const table = await Promise.all(
    Object.entries(routes).map(async ([name, route]) => {
      const { id, host, port } = await stage.http(({ url, headers }, response) => {
        const params = headers['x-ryo-faas-params'] as string | undefined
        response.end(JSON.stringify([name, url, params && (JSON.parse(decodeURIComponent(params)) as object)]))
      })
      const defaults = { name, displayName: name, version: 1, timeoutMs: 5_000, concurrency: 0, isAnonymous: true }
      return { ...defaults, instances: [{ id, host, port }], ...route }
    }),
  )
  await proxy.setRoutes({ generation: ++generation, routes: table })
}

const seen = async (path: string, options: Parameters<typeof call>[2] = {}): Promise<unknown> => {
  const { status, body } = await call(proxy, path, options)
  return status === 200 ? JSON.parse(body || 'null') : status
}

it('a function is reached at the path that it names, and sees it whole, with its parameters', async () => {
  await serve({
    order: { pattern: '/shops/:shop/orders/:id' },
    file: { pattern: '/files/*' },
    home: { pattern: '/' },
    plain: {},
  })
  expect(await seen('/shops/a%20b/orders/42?x=1')).toEqual([
    'order',
    '/shops/a%20b/orders/42?x=1',
    { shop: 'a b', id: '42' },
  ])
  expect(await seen('/shops/a/orders/4/')).toEqual(['order', '/shops/a/orders/4/', { shop: 'a', id: '4' }])
  expect(await seen('/files/a/b.txt')).toEqual(['file', '/files/a/b.txt', { '*': 'a/b.txt' }])
  expect(await seen('/')).toEqual(['home', '/', null])
  for (const path of ['/shops//orders/4', '/shops/a/orders', '/plain', '/shops/a/orders/4/x', '/Files/a']) {
    expect(await seen(path)).toBe(404)
  }
})

it('it stays reachable by its name, and gets the parameters of a path that it would have seen', async () => {
  await serve({ order: { pattern: '/orders/:id' } })
  expect(await seen('/functions/order/orders/7')).toEqual(['order', '/orders/7', { id: '7' }])
  expect(await seen('/functions/order/other')).toEqual(['order', '/other', null])
})

it('parameters from outside do not reach a function', async () => {
  await serve({ order: { pattern: '/orders/:id' }, plain: { pattern: '/plain' } })
  const headers = { 'X-Ryo-Faas-Params': encodeURIComponent('{"id":"forged"}') }
  expect(await seen('/orders/7', { headers })).toEqual(['order', '/orders/7', { id: '7' }])
  expect(await seen('/plain', { headers })).toEqual(['plain', '/plain', null])
  expect(await seen('/functions/plain', { headers })).toEqual(['plain', '/', null])
})

it('methods that no function answers are 405 with those that are, by path and by name', async () => {
  await serve({
    read: { pattern: '/orders/:id', methods: ['GET'] },
    write: { pattern: '/orders/:key', methods: ['PUT', 'DELETE'] },
  })
  expect(await seen('/orders/1')).toEqual(['read', '/orders/1', { id: '1' }])
  expect(await seen('/orders/1', { method: 'HEAD' })).toBe(null)
  expect(await seen('/orders/1', { method: 'PUT' })).toEqual(['write', '/orders/1', { key: '1' }])
  const refused = ({ status, code, headers }: Answer) => [status, code, headers.allow]
  expect(refused(await call(proxy, '/orders/1', { method: 'POST' }))).toEqual([
    405,
    'METHOD_NOT_ALLOWED',
    'GET, HEAD, PUT, DELETE',
  ])
  expect(refused(await call(proxy, '/functions/write', { method: 'GET' }))).toEqual([
    405,
    'METHOD_NOT_ALLOWED',
    'PUT, DELETE',
  ])
})

it('no pattern reaches what the platform serves, or the paths reserved for it', async () => {
  await serve({ all: { pattern: '/*' } })
  expect(await seen('/anything/at/all')).toEqual(['all', '/anything/at/all', { '*': 'anything/at/all' }])
  expect(await seen('/healthz')).toEqual({ status: 'ok' })
  for (const path of [
    '/functions/none',
    '/.ryo-faas/events/on',
    '//.ryo-faas/events/on',
    '/%2eryo-faas/health',
    '/calls/x/y/z',
  ])
    expect(await seen(path)).toBe(404)
  expect(await seen('/a/../healthz')).toBe(400)
})

it('a function with host names is found at these, before one without, and at no other', async () => {
  await serve({
    shop: { domains: ['shop.example', 'www.shop.example'], pattern: '/*' },
    till: { domains: ['till.example'], pattern: '/pay' },
    all: { pattern: '/pay' },
  })
  const at = (host: string, path = '/pay') => call(proxy, path, { headers: { host } }).then(({ body }) => body)
  for (const host of ['shop.example', 'WWW.shop.example:8443', 'shop.example.']) {
    expect(await at(host)).toContain('"shop"')
  }
  expect(await at('till.example')).toContain('"till"')
  expect(await at('till.example', '/other')).toContain('FUNCTION_NOT_FOUND')
  expect(await at('other.example')).toContain('"all"')
  expect(await at('127.0.0.1', '/other')).toContain('FUNCTION_NOT_FOUND')
  expect(await seen('/functions/shop/x')).toEqual(['shop', '/x', { '*': 'x' }])
  // Whoever may not say where a request comes from, may not say what it was for either.
  const forwarded = { host: 'other.example', 'x-forwarded-host': 'shop.example' }
  expect((await call(proxy, '/pay', { headers: forwarded })).body).toContain('"all"')
})

it('a table with other patterns replaces all of them', async () => {
  await serve({ a: { pattern: '/x' } })
  await serve({ b: { pattern: '/x' }, a: { pattern: '/y' } })
  expect(await seen('/x')).toEqual(['b', '/x', null])
  await serve({ a: {} })
  expect(await seen('/x')).toBe(404)
})
