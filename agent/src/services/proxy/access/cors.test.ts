import { afterEach, beforeEach, expect, it } from 'vitest'
import { Cors } from '../../../contract/index.ts'
import { call, Stage } from '../proxy-testing.ts'
import type { RouteInput } from '../../../routes/index.ts'
import type { Proxy } from '../proxy.ts'

const APP = 'https://app.example'

let stage: Stage
let proxy: Proxy
let asked: string[]

beforeEach(async () => {
  stage = new Stage()
  proxy = await stage.proxy()
  asked = []
})
afterEach(() => stage.end())

async function serve(cors: unknown, route: Partial<RouteInput> = {}) {
  const instance = await stage.http((request, response) => {
    asked.push(request.method!)
    response.writeHead(200, { vary: 'Accept', 'access-control-allow-origin': 'https://of-the-function.example' })
    response.end('hi')
  })
  await stage.serve(proxy, [instance], { cors: Cors.parse(cors), ...route })
}

/** Headers of CORS, and `Vary`. */
async function headersOf(headers: Record<string, string>, options: { method?: string; path?: string } = {}) {
  const { path = '/functions/fn', method = 'GET' } = options
  const answer = await call(proxy, path, { method, headers })
  const cors = Object.entries(answer.headers).filter(([name]) => name.startsWith('access-control-') || name === 'vary')
  return { status: answer.status, ...Object.fromEntries(cors) }
}

const PREFLIGHT = {
  origin: APP,
  'access-control-request-method': 'PUT',
  'access-control-request-headers': 'authorization,x-mine',
}

it('a preflight is answered by the proxy, also for a function that wants a key', async () => {
  await serve({ origins: [APP] }, { access: { kind: 'key' }, pattern: '/orders', methods: ['GET', 'PUT'] })
  for (const path of ['/functions/fn', '/orders']) {
    expect(await headersOf(PREFLIGHT, { method: 'OPTIONS', path })).toEqual({
      status: 204,
      vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
      'access-control-allow-origin': APP,
      'access-control-allow-methods': 'GET, PUT, HEAD',
      'access-control-allow-headers': 'authorization,x-mine',
      'access-control-max-age': '600',
      'access-control-expose-headers': expect.stringContaining('X-Request-Id') as string,
    })
  }
  expect(asked).toEqual([])
})

it('a preflight says what deploy.json says, and nothing to pages of other origins', async () => {
  await serve({ origins: [APP], methods: ['PUT'], headers: ['X-Mine'], credentials: true, maxAgeSeconds: 5 })
  expect(await headersOf(PREFLIGHT, { method: 'OPTIONS' })).toMatchObject({
    'access-control-allow-methods': 'PUT',
    'access-control-allow-headers': 'X-Mine',
    'access-control-allow-credentials': 'true',
    'access-control-max-age': '5',
  })
  const evil = await headersOf({ ...PREFLIGHT, origin: 'https://evil.example' }, { method: 'OPTIONS' })
  expect(Object.keys(evil).filter(name => name.startsWith('access-control'))).toEqual([])
  expect(await headersOf({ ...PREFLIGHT, origin: 'null' }, { method: 'OPTIONS' })).not.toHaveProperty(
    'access-control-allow-origin',
  )
})

it('answers say which page may read them, whatever the function says, and keep what else they depend on', async () => {
  await serve({ origins: [APP], exposeHeaders: ['X-Total'] })
  const ours = await headersOf({ origin: APP })
  expect(ours).toMatchObject({ status: 200, vary: 'Accept, Origin', 'access-control-allow-origin': APP })
  expect(ours).toMatchObject({
    'access-control-expose-headers': expect.stringMatching(/Retry-After.*X-Total/) as string,
  })
  expect(ours).not.toHaveProperty('access-control-allow-credentials')
  for (const headers of [{}, { origin: 'https://evil.example' }] as Record<string, string>[]) {
    expect(await headersOf(headers)).toEqual({ status: 200, vary: 'Accept, Origin' })
  }
  await serve({ origins: '*' })
  expect(await headersOf({ origin: 'https://any.example' })).toMatchObject({ 'access-control-allow-origin': '*' })
})

it('a refusal can be read by the page as well', async () => {
  await serve({ origins: [APP] }, { access: { kind: 'key' } })
  expect(await headersOf({ origin: APP })).toMatchObject({
    status: 401,
    vary: 'Origin',
    'access-control-allow-origin': APP,
  })
})

it('without "cors" a preflight is the function’s own', async () => {
  const instance = await stage.http((_request, response) => {
    response.writeHead(200, { 'access-control-allow-origin': '*' }).end()
  })
  await stage.serve(proxy, [instance])
  expect(await headersOf(PREFLIGHT, { method: 'OPTIONS' })).toEqual({ status: 200, 'access-control-allow-origin': '*' })
})

it('"*" with credentials is refused', () => {
  expect(Cors.safeParse({ origins: '*', credentials: true }).success).toBe(false)
  expect(Cors.safeParse({ origins: [APP], credentials: true }).success).toBe(true)
})
