/** What holds for calls over HTTP/1.1 holds over HTTP/2: limits, access, retries, waiting, what is told and counted. */
import { mkdtemp, rm } from 'node:fs/promises'
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { Cors } from '../../../contract/index.ts'
import { Stage, until } from '../proxy-testing.ts'
import type { Proxy } from '../proxy.ts'
import { TestAuthority } from './front-testing.ts'

let stage: Stage
let proxy: Proxy
let client: ClientHttp2Session

beforeAll(async () => {
  const authority = await TestAuthority.create()
  stage = new Stage()
  const folder = await mkdtemp(join(tmpdir(), 'rfa-http2-calls-'))
  stage.onEnd(() => rm(folder, { recursive: true }))
  await authority.write(folder, 'a', ['a.test'])
  proxy = await stage.proxy({
    readyTimeoutMs: 30_000,
    front: { host: '127.0.0.1', port: 0, certificates: folder, dashboard: { host: 'ops.test', socketPath: '/absent' } },
  })
  client = http2.connect(`https://127.0.0.1:${proxy.front!.port}`, { ca: authority.pem, servername: 'a.test' })
  stage.onEnd(() => client.destroy())
})
afterAll(() => stage.end())
beforeEach(async () => until(async () => (await inflight()) === 0, 'what a test began has ended'))

const inflight = async () => (await proxy.stats()).functions.reduce((sum, { inflight: count }) => sum + count, 0)

type Fields = Record<string, string | number>
function begin(fields: Fields = {}, body?: string | Buffer): ClientHttp2Stream {
  const asked = { ':path': '/functions/fn', ':authority': 'a.test', ...fields }
  const stream = client.request(asked, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  return stream
}

async function answerOf(stream: ClientHttp2Stream) {
  const headers = await new Promise<http2.IncomingHttpHeaders>((resolve, reject) => {
    stream.on('response', resolve).on('error', reject)
  })
  return { status: headers[':status'], headers, body: await text(stream), code: headers['x-ryo-faas-error'] }
}

const ask = (fields: Fields = {}, body?: string | Buffer) => answerOf(begin(fields, body))
const post = (body: string | Buffer, fields: Fields = {}) => ask({ ':method': 'POST', ...fields }, body)
const echo = () => stage.http((request, response) => void request.pipe(response))

test('a body over the limit of its function is 413, told or not, and the connection goes on', async () => {
  const instance = await echo()
  await stage.serve(proxy, [instance], { bodyLimitBytes: 100_000 })
  expect(await post('x'.repeat(100_001), { 'content-length': 100_001 })).toMatchObject({ status: 413 })
  expect(instance.received()).toBe('')
  expect(await post('x'.repeat(1_000_000))).toMatchObject({ status: 413, code: 'PAYLOAD_TOO_LARGE' })
  expect((await post('x'.repeat(100_000))).body).toHaveLength(100_000)
})

test('the gate is asked before an instance sees anything', async () => {
  const instance = await echo()
  await stage.serve(proxy, [instance], { access: { kind: 'private' } })
  expect(await post('secret')).toMatchObject({ status: 403 })
  await stage.serve(proxy, [instance], { access: { kind: 'key' } })
  expect(await post('secret', { 'x-api-key': 'wrong' })).toMatchObject({ status: 401 })
  expect(instance.received()).toBe('')
  await stage.serve(proxy, [instance], { rate: { calls: 1, periodMs: 3_600_000 } })
  const statuses = [(await post('1')).status, (await post('2')).status]
  expect(statuses).toEqual([200, 429])
})

test('pages of other origins are answered as deploy.json says', async () => {
  const cors = Cors.parse({ origins: ['https://page.test'] })
  const instance = await stage.http((_request, response) => {
    response.writeHead(200, ['Access-Control-Allow-Origin', 'x', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2']).end('ok')
  })
  await stage.serve(proxy, [instance], { cors })
  const asked = { origin: 'https://page.test', 'access-control-request-method': 'PUT' }
  const preflight = await ask({ ':method': 'OPTIONS', ...asked })
  expect([preflight.status, preflight.headers['access-control-allow-origin']]).toEqual([204, 'https://page.test'])
  const { headers } = await ask({ origin: 'https://page.test' })
  expect(headers).toMatchObject({ 'access-control-allow-origin': 'https://page.test', 'set-cookie': ['a=1', 'b=2'] })
})

test('an instance that says that it did not run the request is passed over, with the body', async () => {
  const refusing = await stage.http((request, response) => {
    const own = { 'x-ryo-faas-error': 'FUNCTION_UNAVAILABLE', 'x-ryo-faas-error-from': `i${request.socket.localPort}` }
    request.resume().on('end', () => response.writeHead(503, own).end())
  })
  await stage.serve(proxy, [refusing, await echo()])
  const bodies = await Promise.all(['a', 'b', 'c', 'd'].map(async body => (await post(body)).body))
  expect(bodies).toEqual(['a', 'b', 'c', 'd'])
  expect(refusing.received()).not.toBe('')
})

test('a call waits for an instance, its body with it; one that is reset while it waits is not run', async () => {
  const instance = await echo()
  await stage.serve(proxy, [{ ...instance, isFrozen: true }], { scale: { max: 1 } })
  const held = post('z'.repeat(300_000))
  const left = begin({ ':method': 'POST', 'x-left': '1' }, 'never')
  left.on('error', () => undefined)
  await until(async () => (await inflight()) === 2, 'both wait')
  left.close(http2.constants.NGHTTP2_CANCEL)
  await until(async () => (await inflight()) === 1, 'one has left')
  await stage.serve(proxy, [instance], { scale: { max: 1 } })
  expect((await held).body).toHaveLength(300_000)
  expect(instance.received()).not.toContain('x-left')
})

test('a function over its limit of time is 504, or cut off where its answer has begun', async () => {
  const slow = await stage.http((request, response) => {
    if (request.url === '/begun') response.write('part')
  })
  await stage.serve(proxy, [slow], { timeoutMs: 150 })
  expect(await ask()).toMatchObject({ status: 504, code: 'FUNCTION_TIMEOUT' })
  const begun = begin({ ':path': '/functions/fn/begun' })
  await expect(answerOf(begun)).rejects.toThrow()
  expect(begun.rstCode).toBe(http2.constants.NGHTTP2_INTERNAL_ERROR)
})

test('hints, a leave to continue, and what is said of the caller arrive', async () => {
  const instance = await stage.http((request, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' })
    const { 'x-forwarded-for': from, 'x-forwarded-proto': proto, expect: expected } = request.headers
    request.resume().on('end', () => response.end(JSON.stringify({ from, proto, expected })))
  })
  await stage.serve(proxy, [instance])
  const stream = begin({ ':method': 'POST', expect: '100-continue', 'x-forwarded-for': '6.6.6.6' }, 'body')
  const interim: unknown[] = []
  stream.on('headers', ({ link }: http2.IncomingHttpHeaders) => link && interim.push(link))
  stream.on('continue', () => interim.push('continue'))
  const { body } = await answerOf(stream)
  expect(JSON.parse(body)).toEqual({ from: '127.0.0.1', proto: 'https' })
  expect(interim).toEqual(['continue', '</style.css>; rel=preload'])
})

test('what is not for functions is answered as over HTTP/1.1; a name of another door is misdirected', async () => {
  expect(await ask({ ':path': '/healthz' })).toMatchObject({ status: 200, body: '{"status":"ok"}' })
  expect(await ask({ ':path': '/nothing' })).toMatchObject({ status: 404, code: 'FUNCTION_NOT_FOUND' })
  expect(await ask({ ':path': '/healthz', ':method': 'HEAD' })).toMatchObject({ status: 200, body: '' })
  const event = JSON.stringify({ specversion: '1.0', id: '1', source: '/s', type: 't' })
  const sent = await post(event, { ':path': '/events', 'content-type': 'application/cloudevents+json' })
  expect([401, 403, 503]).toContain(sent.status)
  const large = await post(Buffer.alloc(3_000_000), { ':path': '/events', 'content-type': 'application/json' })
  expect(large.status).toBeGreaterThanOrEqual(400)
  expect((await ask({ ':authority': 'ops.test' })).status).toBe(421)
  expect(await ask({ ':path': '/functions/fn/%2e%2e/x' })).toMatchObject({ status: 400, code: 'BAD_REQUEST' })
  // Without a bus nothing can be queued.
  await stage.serve(proxy, [await echo()])
  expect(await post('later', { prefer: 'respond-async' })).toMatchObject({ status: 503, code: 'ASYNC_UNAVAILABLE' })
})
