import { SignJWT } from 'jose'
import { afterEach, beforeEach, expect, it, test } from 'vitest'
import { AS_OPERATOR, TEST_KEYS } from '../../../access/access-testing.ts'
import { createCallerKey, Credentials, hashOf, isCallerKey, type CallerKey } from '../../../access/index.ts'
import type { RouteInput } from '../../../routes/index.ts'
import { call, Stage, type TestInstance } from '../proxy-testing.ts'
import type { Proxy } from '../proxy.ts'

const credentials = new Credentials(TEST_KEYS)
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
/** As `call()` of the runtime sends it. */
const AS_FUNCTION = { 'proxy-authorization': `Bearer ${credentials.functionToken({ route: 'shop' })}` }
const BY_OPERATOR = { 'proxy-authorization': AS_OPERATOR.authorization }
const JWT = { kind: 'jwt', issuer: 'https://id.example', audience: 'shop', secret: 'HS' }
const SECRETS = { HS: 'a secret of at least thirty-two bytes' }

let stage: Stage
let proxy: Proxy
let instance: TestInstance
let generation = 0

beforeEach(async () => {
  stage = new Stage()
  proxy = await stage.proxy()
  instance = await stage.http(({ headers }, response) => response.end(JSON.stringify(headers)))
})
afterEach(() => stage.end())

async function serve(route: Partial<RouteInput>, more: { keys?: CallerKey[]; secrets?: object; to?: Proxy } = {}) {
  const { id, host, port } = instance
  const { to = proxy, keys = [], secrets = SECRETS } = more
  const fn = { name: 'fn', displayName: 'Fn', version: 1, timeoutMs: 5_000, concurrency: 0, isAnonymous: true }
  await to.setRoutes({
    generation: ++generation,
    routes: [{ ...fn, instances: [{ id, host, port }], ...route }],
    keys,
    secrets: secrets as Record<string, string>,
  })
}

/** Status and code, or the headers that the function got. */
async function seen(headers: Record<string, string>): Promise<Record<string, string>> {
  const { status, body } = await call(proxy, '/functions/fn', { headers })
  expect(status, body).toBe(200)
  return JSON.parse(body) as Record<string, string>
}

function callerIn(headers: Record<string, string>): unknown {
  const text = headers['x-ryo-faas-caller']
  return text === undefined ? undefined : JSON.parse(decodeURIComponent(text))
}

const codeOf = async (headers: Record<string, string> = {}, to = proxy) =>
  (await call(to, '/functions/fn', { headers })).code

function keyOf(more: Partial<CallerKey> = {}): { key: string; kept: CallerKey } {
  const { key, id, hash } = createCallerKey()
  return { key, kept: { id, hash, name: 'Ann', ...more } }
}

const tokenOf = (claims: object = {}) =>
  new SignJWT({ iss: 'https://id.example', aud: 'shop', sub: 'ann', ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('5m')
    .sign(new TextEncoder().encode(SECRETS.HS))

test('a key has a form that scanners know; its hash says nothing of it', () => {
  const { key, id, hash } = createCallerKey()
  expect(key).toMatch(/^ryofaas_[0-9A-Za-z]{46}$/)
  expect(key).toContain(id)
  expect(isCallerKey(key)).toBe(true)
  const changed = key.slice(0, -1) + (key.endsWith('a') ? 'b' : 'a')
  expect([changed, key.slice(1), `${key}a`, ''].map(isCallerKey)).toEqual([false, false, false, false])
  expect(hashOf(key)).toBe(hash)
  expect(createCallerKey().key).not.toBe(key)
})

it('a private function is for functions and the operator, and is told who it was', async () => {
  await serve({ access: { kind: 'private' } })
  expect(await codeOf()).toBe('FORBIDDEN')
  expect(await codeOf(bearer('x'))).toBe('FORBIDDEN')
  expect((await call(proxy, '/async-function/fn', { method: 'POST', body: 'x' })).code).toBe('FORBIDDEN')
  expect(callerIn(await seen(AS_FUNCTION))).toEqual({ kind: 'function', name: 'shop' })
  expect(callerIn(await seen(BY_OPERATOR))).toEqual({ kind: 'operator' })
  // Its own header stays the function's.
  expect(await seen({ ...AS_FUNCTION, ...bearer('of-the-user') })).toMatchObject(bearer('of-the-user'))
  expect(await seen(AS_FUNCTION)).not.toHaveProperty('proxy-authorization')
})

it('nobody claims to be a caller', async () => {
  const forged = { 'X-Ryo-Faas-Caller': encodeURIComponent('{"kind":"operator"}'), 'X-Ryo-Faas-Delivery': 'x' }
  for (const access of [undefined, { kind: 'public' }]) {
    await serve({ access })
    const headers = await seen(forged)
    expect(Object.keys(headers).filter(name => name.startsWith('x-ryo-faas-'))).toEqual(['x-ryo-faas-deadline-ms'])
  }
  await serve({ access: { kind: 'private' } })
  expect(await codeOf(forged)).toBe('FORBIDDEN')
  const headers = await seen({ ...forged, ...AS_FUNCTION })
  expect(callerIn(headers)).toEqual({ kind: 'function', name: 'shop' })
  // By this the instance knows that it comes from the proxy.
  expect(headers['x-ryo-faas-delivery']).toBe(credentials.deliveryToken('fn'))
})

it('a key lets in where it may, by either header, and the function does not see it', async () => {
  const { key, kept } = keyOf()
  const other = keyOf({ functions: ['another'] })
  const ended = keyOf({ expiresAt: new Date(Date.now() - 1).toISOString() })
  await serve({ access: { kind: 'key' } }, { keys: [kept, other.kept, ended.kept] })
  for (const headers of [bearer(key), { 'x-api-key': key }]) {
    const got = await seen(headers)
    expect(callerIn(got)).toEqual({ kind: 'key', id: kept.id, name: 'Ann' })
    expect(JSON.stringify(got)).not.toContain(key)
  }
  expect(await seen({ 'x-api-key': key, ...bearer('of-the-user') })).toMatchObject(bearer('of-the-user'))
  expect(await codeOf()).toBe('UNAUTHORIZED')
  expect(await codeOf(bearer(keyOf().key))).toBe('UNAUTHORIZED')
  expect(await codeOf({ 'x-api-key': 'guess', ...AS_FUNCTION })).toBe('UNAUTHORIZED')
  expect(await codeOf(bearer(other.key))).toBe('FORBIDDEN')
  expect(await codeOf(bearer(ended.key))).toBe('UNAUTHORIZED')
  expect(callerIn(await seen(AS_FUNCTION))).toMatchObject({ kind: 'function' })
})

it('a revoked key is refused by the table that lacks it, and a function that is called again is told the last name', async () => {
  const { key, kept } = keyOf()
  await serve({ access: { kind: 'key' } }, { keys: [kept] })
  await seen(bearer(key))
  await serve({ access: { kind: 'key' } }, { keys: [{ ...kept, name: 'Bob' }] })
  expect(callerIn(await seen(bearer(key)))).toMatchObject({ name: 'Bob' })
  await serve({ access: { kind: 'key' } }, { keys: [] })
  expect(await codeOf(bearer(key))).toBe('UNAUTHORIZED')
})

it('a user with a token is let in, and the function gets the token itself', async () => {
  await serve({ access: JWT })
  const token = await tokenOf({ role: 'admin' })
  for (let times = 0; times < 2; times += 1) {
    const got = await seen(bearer(token))
    expect(callerIn(got)).toEqual({ kind: 'jwt', issuer: 'https://id.example', subject: 'ann' })
    expect(got).toMatchObject(bearer(token))
  }
  const { code, body } = await call(proxy, '/functions/fn', { headers: bearer(await tokenOf({ aud: 'till' })) })
  expect([code, body]).toEqual(['UNAUTHORIZED', expect.stringContaining('the token is not valid here')])
  expect(await codeOf()).toBe('UNAUTHORIZED')
  expect(callerIn(await seen(AS_FUNCTION))).toEqual({ kind: 'function', name: 'shop' })
  expect(callerIn(await seen(BY_OPERATOR))).toEqual({ kind: 'operator' })
})

it('a secret that changes, or is gone, holds for tokens that were accepted before', async () => {
  await serve({ access: JWT })
  const token = await tokenOf()
  await seen(bearer(token))
  await serve({ access: JWT }, { secrets: { HS: 'another secret of thirty-two bytes' } })
  expect(await codeOf(bearer(token))).toBe('UNAUTHORIZED')
  await serve({ access: JWT }, { secrets: {} })
  expect(await codeOf(bearer(token))).toBe('FUNCTION_UNAVAILABLE')
  await serve({ access: { kind: 'jwt', issuer: 7 } })
  expect(await codeOf(bearer(token))).toBe('FORBIDDEN')
})

it('beyond loopback a function without a rule is for functions and the operator only', async () => {
  const open = await stage.proxy({ host: '0.0.0.0' })
  await serve({}, { to: open })
  expect(await codeOf({}, open)).toBe('FORBIDDEN')
  expect(await codeOf(AS_FUNCTION, open)).toBeUndefined()
  expect(await codeOf(BY_OPERATOR, open)).toBeUndefined()
  await serve({ access: { kind: 'public' } }, { to: open })
  expect(await codeOf({}, open)).toBeUndefined()
  expect((await call(open, '/healthz')).status).toBe(200)
  expect((await call(open, '/metrics')).status).toBe(200)
  // A reverse proxy on this machine is not a program that asks for itself.
  expect((await call(open, '/metrics', { headers: { 'x-forwarded-for': '192.0.2.7' } })).status).toBe(401)
})

it('calls beyond the rate get 429 and the time to wait, for each caller on its own', async () => {
  const [ann, bob] = [keyOf(), keyOf()]
  const rate = { calls: 2, periodMs: 60_000 }
  await serve({ access: { kind: 'key' }, rate }, { keys: [ann.kept, bob.kept] })
  const codes = async (headers: Record<string, string>, times: number) => {
    const found: (string | undefined)[] = []
    for (let i = 0; i < times; i += 1) found.push(await codeOf(headers))
    return found
  }
  expect(await codes(bearer(ann.key), 3)).toEqual([undefined, undefined, 'RATE_LIMITED'])
  expect(await codes(bearer(bob.key), 3)).toEqual([undefined, undefined, 'RATE_LIMITED'])
  expect(await codes({}, 3)).toEqual(['UNAUTHORIZED', 'UNAUTHORIZED', 'UNAUTHORIZED'])
  expect(await codes(BY_OPERATOR, 3)).toEqual([undefined, undefined, undefined])
  const { status, headers } = await call(proxy, '/functions/fn', { headers: bearer(ann.key) })
  expect(status).toBe(429)
  expect(Number(headers['retry-after'])).toBeGreaterThan(50)
})

it('without a rule the rate is that of an address, as a trusted proxy says it', async () => {
  const trusting = await stage.proxy({ trustProxy: ['127.0.0.1'] })
  const rate = { calls: 1, periodMs: 60_000 }
  await serve({ rate }, { to: trusting })
  const from = (chain: string) => codeOf({ 'x-forwarded-for': chain }, trusting)
  expect([await from('192.0.2.1'), await from('192.0.2.2')]).toEqual([undefined, undefined])
  expect(await from('192.0.2.9, 192.0.2.1')).toBe('RATE_LIMITED')
  await serve({ rate })
  // The word of others does not count.
  expect([await codeOf({ 'x-forwarded-for': '192.0.2.1' }), await codeOf({ 'x-forwarded-for': '192.0.2.2' })]).toEqual([
    undefined,
    'RATE_LIMITED',
  ])
})
