/** The dashboard for people elsewhere, over real TLS: through the proxy's front and the socket of the agent. */
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pino } from 'pino'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { untilTrue } from '../../test/support/until.ts'
import { TestAuthority } from '../services/proxy/front/front-testing.ts'
import { Stage } from '../services/proxy/proxy-testing.ts'
import { TokenStore } from '../tokens/index.ts'
import { AuditLog } from './audit-log.ts'
import { FrontDoor } from './front-door.ts'
import type { Platform } from './platform.ts'
import { createApi } from './server.ts'

const TOKEN = 'the-token-of-the-operator'
/** Of signing in over HTTP/2; `FRONT_DOOR_ROUNDS` for more. */
const ROUNDS = Number(process.env['FRONT_DOOR_ROUNDS'] ?? 10)
let authority: TestAuthority
let stage: Stage
let home: string
let port: number
let tokens: TokenStore
let audit: AuditLog
let retried: string[]
let url: string

beforeAll(async () => void (authority = await TestAuthority.create()))
beforeEach(async () => {
  stage = new Stage()
  home = await mkdtemp(join(tmpdir(), 'rfa-door-'))
  stage.onEnd(() => rm(home, { recursive: true, force: true }))
  await authority.write(home, 'a', ['ops.test', 'shop.test'])
  await mkdir(join(home, 'page'))
  for (const file of ['index.html', 'app.js', 'app.css']) await writeFile(join(home, 'page', file), file)
  tokens = await TokenStore.open(home)
  audit = new AuditLog(join(home, 'audit.jsonl'))
  retried = []
  const platform = {
    ...{ tokens, audit, view: () => view, onEvent: () => () => undefined },
    retryCertificate: async (domain: string) => retried.push(domain) > 0,
    following: () => undefined,
  } as unknown as Platform
  const door = new FrontDoor('ops.test', given => tokens.identify(given))
  const api = await createApi({
    ...{ token: TOKEN, version: '0', platform, dashboard: join(home, 'page'), audit, front: door },
    logger: pino({ enabled: false }),
  })
  url = await api.listen({ host: '127.0.0.1', port: 0 })
  const socketPath = join(home, 'dashboard.sock')
  await door.listen(api, socketPath)
  const proxy = await stage.proxy({
    front: { host: '127.0.0.1', port: 0, certificates: home, dashboard: { host: 'ops.test', socketPath } },
  })
  await stage.serve(proxy, [await stage.http((_request, response) => response.end('function'))], { pattern: '/*' })
  port = proxy.front!.port
  stage.onEnd(async () => {
    await door.close()
    await api.close()
    await tokens.close()
  })
})
afterEach(() => stage.end())

const view = {
  ...{ project: 'p', home: '/h', version: '0', engine: 'process', engineNote: '', proxyUrl: 'http://127.0.0.1:1' },
  ...{ phase: { kind: 'ready' }, parts: [] },
}

interface Asked {
  method?: string
  name?: string
  headers?: Record<string, string>
  body?: string
}

async function ask(path: string, { method = 'GET', name = 'ops.test', headers = {}, body }: Asked = {}) {
  const request = https.request({
    ...{ host: '127.0.0.1', port, path, method, servername: name, ca: authority.pem, agent: false },
    headers: { host: `ops.test:${port}`, ...(body !== undefined && { 'content-length': body.length }), ...headers },
  })
  request.end(body)
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve).on('error', reject)
  })
  return { status: response.statusCode!, headers: response.headers, body: await text(response) }
}

const own = () => ({ origin: `https://ops.test:${port}`, 'content-type': 'application/json' })
const signIn = (token: string, headers: Record<string, string> = own()) =>
  ask('/session', { method: 'POST', headers, body: JSON.stringify({ token }) })

async function cookieOf(
  can: 'read' | 'deploy' | 'admin',
  patterns?: string[],
): Promise<{ cookie: string; id: string }> {
  const { token, view: made } = await tokens.create({ name: can, can, for: patterns })
  const { status, headers } = await signIn(token)
  expect(status).toBe(200)
  return { cookie: cookieIn(headers), id: made.id }
}

const cookieIn = (headers: IncomingHttpHeaders) => headers['set-cookie']![0]!.split(';')[0]!

test('who signs in sees what the token says, until signing out; the cookie is for this host, over TLS, and no script', async () => {
  expect((await ask('/')).headers.location).toBe('/dashboard')
  const page = await ask('/dashboard')
  expect([page.status, page.body]).toEqual([200, 'index.html'])
  expect(page.headers['content-security-policy']).toContain("frame-ancestors 'none'")
  expect(page.headers['strict-transport-security']).toBeDefined()
  expect((await ask('/v1/platform')).status).toBe(401)
  const { token } = await tokens.create({ name: 'Ann', can: 'read' })
  const { headers } = await signIn(` ${token}\n`)
  expect(headers['set-cookie']![0]).toMatch(
    /^__Host-ryo-faas-session=[\w-]{43}; Path=\/; Max-Age=43200; HttpOnly; Secure; SameSite=Strict$/,
  )
  const cookie = cookieIn(headers)
  expect(JSON.parse((await ask('/session', { headers: { cookie } })).body)).toEqual({ name: 'Ann', can: 'read' })
  expect(JSON.parse((await ask('/v1/platform', { headers: { cookie } })).body)).toMatchObject({ project: 'p' })
  const out = await ask('/session', { method: 'DELETE', headers: { origin: own().origin, cookie } })
  expect(out.headers['set-cookie']![0]).toContain('Max-Age=0')
  expect((await ask('/v1/platform', { headers: { cookie } })).status).toBe(401)
  expect(await ask('/session', { headers: { cookie } })).toMatchObject({ status: 200, body: '{}' })
})

test('readers change nothing, others what the page offers and no more; it is on record', async () => {
  const retry = (cookie: string, more = {}) =>
    ask('/v1/certificates/a.test/retry', { method: 'POST', headers: { ...own(), ...more, cookie }, body: '{}' })
  const [reader, scoped, deployer] = [
    await cookieOf('read'),
    await cookieOf('deploy', ['a*']),
    await cookieOf('deploy'),
  ]
  expect((await retry(reader.cookie)).status).toBe(403)
  expect((await retry(scoped.cookie)).status).toBe(403)
  expect((await retry(deployer.cookie)).status).toBe(200)
  expect(retried).toEqual(['a.test'])
  const [first] = await audit.read({ limit: 10 })
  expect(first).toMatchObject({
    action: 'retryCertificate',
    from: '127.0.0.1',
    who: expect.stringMatching(/^token deploy/),
  })
  // Without the page's own origin a cookie is worth nothing.
  for (const origin of ['https://shop.test', `http://ops.test:${port}`, 'null', 'https://ops.test']) {
    expect([origin, (await retry(deployer.cookie, { origin })).status]).toEqual([origin, 403])
  }
  expect(
    (await ask('/v1/certificates/a.test/retry', { method: 'POST', headers: { cookie: deployer.cookie } })).status,
  ).toBe(403)
  for (const site of ['cross-site', 'same-site']) {
    expect((await ask('/v1/platform', { headers: { cookie: deployer.cookie, 'sec-fetch-site': site } })).status).toBe(
      403,
    )
  }
  expect(retried).toEqual(['a.test'])
  const { cookie } = await cookieOf('admin')
  for (const [method, path] of [
    ...[
      '/v1/deployments',
      '/v1/secrets',
      '/v1/tokens',
      '/v1/audit',
      '/metrics',
      '/openapi.json',
      '/healthz',
      '/none',
    ].map(path => ['GET', path] as const),
    ...['/v1/tokens', '/v1/reset', '/v1/deploys', '/v1/shutdown'].map(path => ['POST', path] as const),
  ]) {
    expect([path, (await ask(path, { method, headers: { ...own(), cookie }, body: '{}' })).status]).toEqual([path, 404])
  }
})

test('no token and no key opens anything here, and no session anything on the listener of this machine', async () => {
  const { token } = await tokens.create({ name: 'Ann', can: 'admin' })
  for (const given of [token, TOKEN]) {
    expect((await ask('/v1/platform', { headers: { authorization: `Bearer ${given}` } })).status).toBe(401)
  }
  const { cookie } = await cookieOf('admin')
  const local = (path: string, init: RequestInit = {}) => fetch(url + path, { headers: { cookie }, ...init })
  expect((await local('/v1/platform')).status).toBe(401)
  for (const method of ['GET', 'POST', 'DELETE']) expect((await local('/session', { method })).status).toBe(404)
  expect((await fetch(`${url}/dashboard`)).headers.get('content-security-policy')).toContain('vscode-webview:')
})

test('wrong tokens are refused, ten times; forms of other pages and large bodies at once', async () => {
  expect((await signIn('x', { 'content-type': 'application/json' })).status).toBe(403)
  expect((await signIn('x', { ...own(), 'content-type': 'text/plain' })).status).toBe(400)
  expect((await ask('/session', { method: 'POST', headers: own(), body: '{"token":7}' })).status).toBe(400)
  expect((await signIn('x'.repeat(5_000))).status).toBe(413)
  expect(
    (await ask('/session', { method: 'POST', headers: { ...own(), 'transfer-encoding': 'chunked' } })).status,
  ).toBe(413)
  const outcomes: number[] = []
  // Whom a caller claims to speak for makes no difference.
  for (let n = 0; n < 11; n += 1)
    outcomes.push((await signIn('x', { ...own(), 'x-forwarded-for': `192.0.2.${n}` })).status)
  expect(outcomes).toEqual([...Array<number>(10).fill(401), 429])
})

test('over HTTP/2, signing in and out again and again, many at once on one connection: none is lost', async () => {
  const { token } = await tokens.create({ name: 'Ann', can: 'read' })
  const session = http2.connect(`https://127.0.0.1:${port}`, { ca: authority.pem, servername: 'ops.test' })
  stage.onEnd(() => session.destroy())
  const send = async (method: string, path: string, more: { headers?: object; body?: string } = {}) => {
    const { headers: given, body = '' } = more
    const pseudo = { ':method': method, ':path': path, ':authority': `ops.test:${port}` }
    const ofBody = body === '' ? { origin: own().origin } : { ...own(), 'content-length': String(body.length) }
    const sent = { ...pseudo, ...ofBody, ...given }
    const stream = session.request(sent, { endStream: body === '' })
    // In two pieces: the agent may know its answer by the first.
    if (body !== '') {
      stream.write(body.slice(0, 1))
      stream.end(body.slice(1))
    }
    const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status': number }]
    return { status: headers[':status'], headers, body: await text(stream) }
  }
  const inAndOut = async (): Promise<number[]> => {
    const signedIn = await send('POST', '/session', { body: JSON.stringify({ token }) })
    const headers = { cookie: cookieIn(signedIn.headers) }
    const seen = await send('GET', '/v1/platform', { headers })
    const refused = await send('POST', '/v1/certificates/a.test/retry', { headers, body: '{}' })
    const out = await send('DELETE', '/session', { headers })
    return [signedIn, seen, refused, out].map(({ status }) => status)
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    const all = await Promise.all(Array.from({ length: 8 }, inAndOut))
    expect(all).toEqual(all.map(() => [200, 200, 403, 200]))
  }
})

test('a stream ends soon after its session does: the token was revoked', async () => {
  const { cookie, id } = await cookieOf('read')
  const session = http2.connect(`https://127.0.0.1:${port}`, { ca: authority.pem, servername: 'ops.test' })
  session.on('error', () => undefined)
  stage.onEnd(() => session.destroy())
  const stream = session.request({ ':path': '/v1/events', ':authority': `ops.test:${port}`, cookie })
  let isOver = false
  stream.on('error', () => undefined).on('close', () => (isOver = true))
  let seen = ''
  stream.setEncoding('utf8').on('data', (piece: string) => (seen += piece))
  await untilTrue(() => seen.includes('hello'), 'the first event')
  await tokens.revoke(id)
  await untilTrue(() => isOver, 'the end of the stream')
})

test('no function is at the name of the dashboard, and no dashboard at other names, on one connection or two', async () => {
  expect((await ask('/x', { name: 'shop.test', headers: { host: 'shop.test' } })).body).toBe('function')
  expect((await ask('/dashboard', { name: 'shop.test' })).status).toBe(421)
  expect((await ask('/dashboard', { headers: { host: 'shop.test' } })).status).toBe(421)
  expect((await ask('/dashboard', { name: 'shop.test', headers: { host: 'OPS.test' } })).status).toBe(421)
})
