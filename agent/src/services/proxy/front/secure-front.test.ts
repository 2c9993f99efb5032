import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import http, { type IncomingMessage } from 'node:http'
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2'
import https from 'node:https'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import tls from 'node:tls'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { Stage, until } from '../proxy-testing.ts'
import type { Proxy } from '../proxy.ts'
import { TestAuthority } from './front-testing.ts'
import { startSecureFront } from './secure-front.ts'

let authority: TestAuthority
let stage: Stage
let folder: string

beforeAll(async () => {
  authority = await TestAuthority.create()
})
beforeEach(async () => {
  stage = new Stage()
  folder = await mkdtemp(join(tmpdir(), 'rfa-front-'))
  stage.onEnd(() => rm(folder, { recursive: true }))
})
afterEach(() => stage.end())

async function front(listener: http.RequestListener, options: { challenges?: string; redirectPort?: number } = {}) {
  await authority.write(folder, 'a', ['a.test'])
  const proxy = await stage.proxy({
    front: { host: '127.0.0.1', port: 0, certificates: folder, reloadMs: 10, ...options },
  })
  await stage.serve(proxy, [await stage.http(listener)])
  return proxy
}

const trust = () => ({ ca: authority.pem, servername: 'a.test' })

interface Answer {
  status: number
  headers: http.IncomingHttpHeaders | IncomingHttpHeaders
  body: string
}

async function overHttp1(proxy: Proxy, path: string): Promise<Answer> {
  const { host, port } = proxy.front!
  const request = https.get({ host, port, path, agent: false, headers: { host: 'a.test' }, ...trust() })
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve).on('error', reject)
  })
  return { status: response.statusCode!, headers: response.headers, body: await text(response) }
}

function session(proxy: Proxy, options: { port?: number; maxSessionMemory?: number } = {}): ClientHttp2Session {
  const { port = proxy.front!.port, ...rest } = options
  const opened = http2.connect(`https://127.0.0.1:${port}`, { ...trust(), ...rest })
  opened.on('error', () => undefined)
  stage.onEnd(() => opened.destroy())
  return opened
}

async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  const headers = await new Promise<IncomingHttpHeaders>((resolve, reject) => {
    stream.on('response', resolve).on('error', reject)
  })
  return { status: Number(headers[':status']), headers, body: await text(stream) }
}

/** Header blocks (RFC 7541): from the static table, then `:authority` as it is. */
const AUTHORITY = [0x41, 6, ...Buffer.from('a.test')]
const GET = [0x82, 0x87, 0x84, ...AUTHORITY]
const CONNECT = [0x42, 7, ...Buffer.from('CONNECT'), ...AUTHORITY]

const at = (path: string, more: http2.OutgoingHttpHeaders = {}) => ({ ':path': path, ':authority': 'a.test', ...more })

test('functions answer over HTTPS, are told so, and browsers are told to stay there', async () => {
  const proxy = await front((request, response) => response.end(String(request.headers['x-forwarded-proto'])))
  const answer = await overHttp1(proxy, '/functions/fn')
  expect([answer.status, answer.body]).toEqual([200, 'https'])
  expect(answer.headers['strict-transport-security']).toBe('max-age=31536000')
  const plain = await fetch(`http://127.0.0.1:${proxy.address.port}/functions/fn`)
  expect([await plain.text(), plain.headers.get('strict-transport-security')]).toEqual(['http', null])
})

test('a front that is open to the network closes functions without a rule, also to the plain listener', async () => {
  await authority.write(folder, 'a', ['a.test'])
  const proxy = await stage.proxy({ front: { host: '0.0.0.0', port: 0, certificates: folder } })
  const instance = await stage.http((_request, response) => response.end('ok'))
  await stage.serve(proxy, [instance])
  expect((await overHttp1(proxy, '/functions/fn')).status).toBe(403)
  expect((await fetch(`http://127.0.0.1:${proxy.address.port}/functions/fn`)).status).toBe(403)
  await stage.serve(proxy, [instance], { access: { kind: 'public' } })
  expect((await overHttp1(proxy, '/functions/fn')).body).toBe('ok')
})

test('a certificate that is replaced is served to the next connection', async () => {
  const proxy = await front((_request, response) => response.end())
  const serial = () =>
    new Promise<string>((resolve, reject) => {
      const socket = tls.connect({ port: proxy.front!.port, host: '127.0.0.1', ...trust() }, () => {
        resolve(socket.getPeerCertificate().serialNumber)
        socket.destroy()
      })
      socket.on('error', reject).on('close', () => reject(new Error('closed')))
    })
  const before = await serial()
  await authority.write(folder, 'a', ['a.test'])
  await until(async () => (await serial().catch(() => before)) !== before, 'the new certificate is served')
})

test('TLS 1.1 is refused, a client without TLS is let go, and others go on', async () => {
  const proxy = await front((_request, response) => response.end('ok'))
  const old = tls.connect({
    ...proxy.front!,
    ...trust(),
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'ALL@SECLEVEL=0',
  })
  await new Promise(done => old.on('error', done))
  const bare = net.connect(proxy.front!.port, '127.0.0.1', () => bare.write('GET / HTTP/1.1\r\n\r\n'))
  bare.on('error', () => undefined)
  await new Promise(done => bare.on('close', done))
  expect((await overHttp1(proxy, '/functions/fn')).body).toBe('ok')
})

test('one peer does not take all connections with handshakes that it never ends', async () => {
  await authority.write(folder, 'a', ['a.test'])
  const server = http.createServer((_request, response) => response.end())
  const options = {
    host: '127.0.0.1',
    port: 0,
    certificates: folder,
    reloadMs: 5_000,
    maxRedirectConnections: 1,
    proxyProtocol: false,
  }
  const opened = await startSecureFront(server, {
    ...{ front: options, maxConnections: 100, maxConnectionsPerPeer: 3, isExempt: () => false, trustProxy: [] },
    ...{ headersTimeoutMs: 10_000, keepAliveTimeoutMs: 10_000 },
  })
  const silent = Array.from({ length: 4 }, () => net.connect(opened.address.port, '127.0.0.1'))
  stage.onEnd(async () => {
    for (const socket of silent) socket.destroy()
    await opened.close()
  })
  const ended = silent.map(socket => new Promise(done => socket.on('error', () => undefined).once('close', done)))
  await Promise.race(ended)
  expect(silent.filter(({ destroyed }) => destroyed)).toHaveLength(1)
})

test('without a certificate it does not start, unless an authority will bring one', async () => {
  const options = { host: '127.0.0.1', port: 0, certificates: join(folder, 'absent') }
  await expect(stage.proxy({ front: options })).rejects.toMatchObject({ code: 'NO_CERTIFICATE' })
  const proxy = await stage.proxy({ front: { ...options, challenges: folder, reloadMs: 10 } })
  await stage.serve(proxy, [await stage.http((_request, response) => response.end('late'))])
  await expect(overHttp1(proxy, '/functions/fn')).rejects.toThrow()
  await authority.write(options.certificates, 'a', ['a.test'])
  await until(
    () =>
      overHttp1(proxy, '/functions/fn').then(
        ({ body }) => body === 'late',
        () => false,
      ),
    'the certificate that came is served',
  )
})

test('plain HTTP is sent on to HTTPS with method and body; challenges are answered there', async () => {
  const challenges = join(folder, 'challenges')
  await mkdir(challenges)
  await writeFile(join(challenges, 'token-1'), 'proof')
  const redirectPort = await freePort()
  const proxy = await front((_request, response) => response.end(), { challenges, redirectPort })
  const ask = (path: string, headers = {}) =>
    new Promise<IncomingMessage>(resolve => {
      http.get({ host: '127.0.0.1', port: redirectPort, path, headers, agent: false }, resolve)
    })
  const sent = await ask('/functions/fn?a=1', { host: `a.test:${redirectPort}` })
  expect([sent.statusCode, sent.headers.location]).toEqual([
    308,
    `https://a.test:${proxy.front!.port}/functions/fn?a=1`,
  ])
  expect((await ask('/', { host: 'a b' })).statusCode).toBe(400)
  expect(await text(await ask('/.well-known/acme-challenge/token-1'))).toBe('proof')
  for (const path of ['/.well-known/acme-challenge/absent', '/.well-known/acme-challenge/token-2']) {
    expect((await ask(path)).statusCode).toBe(404)
  }
  expect((await ask('/.well-known/acme-challenge/../a.key', { host: 'a.test' })).statusCode).toBe(308)
})

test('over HTTP/2: many calls on one connection, bodies both ways, headers as they were', async () => {
  const proxy = await front(async (request, response) => {
    const { method, url, headers } = request
    const body = await text(request)
    response.setHeader('set-cookie', ['a=1', 'b=2'])
    response.setHeader('connection', 'x-private')
    response.end(
      JSON.stringify({
        method,
        url,
        body,
        host: headers.host,
        cookie: headers.cookie,
        from: headers['x-forwarded-for'],
        proto: headers['x-forwarded-proto'],
      }),
    )
  })
  const client = session(proxy)
  const stream = client.request(at('/functions/fn/a?b=c', { ':method': 'POST', cookie: ['x=1', 'y=2'] }))
  stream.end('hello')
  const { status, headers, body } = await answerOf(stream)
  expect(status).toBe(200)
  expect(headers['set-cookie']).toEqual(['a=1', 'b=2'])
  expect(headers['strict-transport-security']).toBe('max-age=31536000')
  for (const name of ['connection', 'keep-alive', 'transfer-encoding']) expect(headers).not.toHaveProperty(name)
  expect(JSON.parse(body)).toEqual({
    ...{ method: 'POST', url: '/a?b=c', body: 'hello', host: 'a.test' },
    ...{ cookie: 'x=1; y=2', from: '127.0.0.1', proto: 'https' },
  })
  const answers = await Promise.all(Array.from({ length: 100 }, () => answerOf(client.request(at('/functions/fn')))))
  expect(answers.map(answer => answer.status)).toEqual(Array(100).fill(200))
})

test('over HTTP/2: 10 MB in each direction arrive whole', async () => {
  const proxy = await front((request, response) => void request.pipe(response))
  const bytes = randomBytes(10 * 1024 * 1024)
  const stream = session(proxy, { maxSessionMemory: 100 }).request(at('/functions/fn', { ':method': 'POST' }))
  stream.end(bytes)
  const hash = createHash('sha256')
  for await (const piece of stream) hash.update(piece as Buffer)
  expect(hash.digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'))
})

test('over HTTP/2: answers stream, HEAD has no body, refusals arrive', async () => {
  let release = (): unknown => undefined
  const proxy = await front((request, response) => {
    if (request.method === 'HEAD') return void response.setHeader('content-length', '5').end()
    response.write('first')
    release = () => response.end('last')
  })
  const client = session(proxy)
  const stream = client.request(at('/functions/fn'))
  const pieces: string[] = []
  stream.setEncoding('utf8').on('data', (piece: string) => pieces.push(piece))
  await until(() => pieces.join('') === 'first', 'the first piece')
  release()
  await new Promise(done => stream.on('end', done))
  expect(pieces.join('')).toBe('firstlast')
  const head = await answerOf(client.request(at('/functions/fn', { ':method': 'HEAD' })))
  expect([head.status, head.body]).toEqual([200, ''])
  expect((await answerOf(client.request(at('/functions/none')))).status).toBe(404)
  expect(
    (await answerOf(client.request(at('/functions/fn', { ':method': 'TRACE' }), { endStream: true }))).status,
  ).toBe(405)
})

test('over HTTP/2: a reset ends the call at the instance, a shortened answer is a reset', async () => {
  const closed: string[] = []
  const proxy = await front((request, response) => {
    request.socket.once('close', () => closed.push(request.url!))
    if (request.url === '/short') {
      response.write('short')
      setImmediate(() => response.destroy())
    }
  })
  const client = session(proxy)
  const abandoned = client.request(at('/functions/fn/wait'))
  abandoned.on('error', () => undefined)
  await until(async () => {
    const { functions } = await proxy.stats()
    return functions.some(({ inflight }) => inflight > 0)
  }, 'the call is counted')
  abandoned.close(http2.constants.NGHTTP2_CANCEL)
  await until(() => closed.includes('/wait'), 'the instance hears of it')
  const short = client.request(at('/functions/fn/short'))
  await expect(answerOf(short)).rejects.toThrow()
  expect(short.rstCode).toBe(http2.constants.NGHTTP2_INTERNAL_ERROR)
})

test.each([
  ['resets', frame(3, 0, 1, Buffer.from([0, 0, 0, 8]))],
  ['breaks the protocol', frame(0, 0, 0, Buffer.from('data for no stream'))],
  ['leaves', frame(7, 0, 0, Buffer.alloc(8))],
])('over HTTP/2: a client that %s in the packet of its request takes nothing along', async (_what, last) => {
  const proxy = await front((_request, response) => response.end('ok'))
  const requests = [GET, CONNECT].map(fields => frame(1, 5, 1, Buffer.from(fields)))
  for (const request of requests) {
    const socket = tls.connect({ port: proxy.front!.port, host: '127.0.0.1', ...trust(), ALPNProtocols: ['h2'] })
    socket.on('error', () => undefined)
    await new Promise(done => socket.once('secureConnect', done))
    socket.end(
      Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0, Buffer.alloc(0)), request, last]),
    )
    await new Promise(done => socket.resume().once('close', done))
  }
  expect((await answerOf(session(proxy).request(at('/functions/fn')))).body).toBe('ok')
})

test('over HTTP/2: a client that resets without end loses its connection, others do not', async () => {
  const proxy = await front((_request, response) => response.end('ok'))
  // Node's client does not notice that it was closed: what is between the two does.
  const { port, isGone } = await relayTo(proxy.front!.port)
  const flooding = session(proxy, { port })
  const good = session(proxy)
  await new Promise(done => flooding.once('remoteSettings', done))
  for (let count = 0; !isGone() && count < 20_000; count += 1) {
    const stream = flooding.request(at('/functions/fn'))
    stream.on('error', () => undefined)
    stream.close(http2.constants.NGHTTP2_CANCEL)
    if (count % 50 === 0) await new Promise(setImmediate)
  }
  await until(isGone, 'the connection is closed')
  expect((await answerOf(good.request(at('/functions/fn')))).body).toBe('ok')
})

test('closing lets calls over HTTP/2 finish', async () => {
  let finish: (() => void) | undefined
  const proxy = await front((_request, response) => {
    finish = () => response.end('done')
  })
  const client = session(proxy)
  const stream = client.request(at('/functions/fn'))
  const answer = answerOf(stream)
  await until(() => finish !== undefined, 'the function runs')
  const closed = proxy.close()
  finish!()
  expect((await answer).body).toBe('done')
  await closed
})

test('closing does not wait for a client that never says that it has heard of it', async () => {
  const proxy = await front((_request, response) => response.end('ok'))
  const socket = tls.connect({ port: proxy.front!.port, host: '127.0.0.1', ...trust(), ALPNProtocols: ['h2'] })
  socket.on('error', () => undefined)
  const closed = new Promise(done => socket.once('close', done))
  await new Promise(done => socket.once('secureConnect', done))
  socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0, Buffer.alloc(0))]))
  await new Promise(done => socket.once('data', done))
  await proxy.close()
  await closed
})

/** RFC 9113 §4.1. */
function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

async function relayTo(port: number): Promise<{ port: number; isGone: () => boolean }> {
  let isGone = false
  const relay = net.createServer(client => {
    const server = net.connect(port, '127.0.0.1')
    client.on('error', () => server.destroy()).pipe(server)
    server.on('error', () => client.destroy()).pipe(client)
    server.on('close', () => (isGone = true))
    stage.onEnd(() => void client.destroy())
  })
  await new Promise<void>(resolve => relay.listen(0, '127.0.0.1', resolve))
  stage.onEnd(() => void relay.close())
  return { port: (relay.address() as net.AddressInfo).port, isGone: () => isGone }
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => resolve(port))
    })
  })
}
