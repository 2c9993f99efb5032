/** Connections that a load balancer passes on with the PROXY protocol, and those that only claim to be. */
import { mkdtemp, rm } from 'node:fs/promises'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import tls from 'node:tls'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { freePort } from '../../../host/index.ts'
import { Stage } from '../proxy-testing.ts'
import type { ProxyInput } from '../options.ts'
import type { RouteInput } from '../../../routes/index.ts'
import { TestAuthority } from './front-testing.ts'

let authority: TestAuthority
let stage: Stage
let folder: string
let redirectPort: number
let port: number

beforeAll(async () => void (authority = await TestAuthority.create()))
beforeEach(async () => {
  stage = new Stage()
  folder = await mkdtemp(join(tmpdir(), 'rfa-passed-on-'))
  stage.onEnd(() => rm(folder, { recursive: true }))
})
afterEach(() => stage.end())

async function start(options: ProxyInput = {}, route: Partial<RouteInput> = {}): Promise<void> {
  await authority.write(folder, 'a', ['a.test'])
  redirectPort = await freePort()
  const proxy = await stage.proxy({
    trustProxy: ['127.0.0.0/8'],
    headersTimeoutMs: 300,
    ...options,
    front: { host: '127.0.0.1', port: 0, certificates: folder, redirectPort, proxyProtocol: true },
  })
  port = proxy.front!.port
  const instance = await stage.http((request, response) => response.end(request.headers['x-forwarded-for']))
  await stage.serve(proxy, [instance], route)
}

const from = (address: string) => `PROXY TCP4 ${address} 198.51.100.1 12345 443\r\n`

function connection(header: string | Buffer, to = port): net.Socket {
  const socket = net.connect(to, '127.0.0.1')
  socket.on('error', () => undefined)
  stage.onEnd(() => void socket.destroy())
  // Nobody may wait for the rest of the head.
  for (const byte of Buffer.from(header)) socket.write(Buffer.from([byte]))
  return socket
}

async function ask(header: string | Buffer, headers = {}): Promise<[number, string]> {
  const socket = tls.connect({ socket: connection(header), ca: authority.pem, servername: 'a.test' })
  socket.on('error', () => undefined)
  const request = http.get({
    ...{ createConnection: () => socket, path: '/functions/fn' },
    headers: { host: 'a.test', connection: 'close', ...headers },
  })
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    request.on('response', resolve).on('error', reject)
  })
  return [response.statusCode!, await text(response)]
}

const closed = (socket: net.Socket) => new Promise(done => socket.resume().once('close', done))

test('the caller is whom the balancer names, over HTTP/1.1 and HTTP/2; what the caller says of itself counts for nothing', async () => {
  await start()
  expect(await ask(from('192.0.2.7'))).toEqual([200, '192.0.2.7'])
  const binary = Buffer.from('0d0a0d0a000d0a515549540a2111000cc0000208c633640130390 1bb'.replace(' ', ''), 'hex')
  expect(await ask(binary, { 'x-forwarded-for': '6.6.6.6' })).toEqual([200, '192.0.2.8'])
  expect(await ask('PROXY UNKNOWN\r\n')).toEqual([200, '127.0.0.1'])
  const client = http2.connect('https://a.test', {
    createConnection: () =>
      tls.connect({
        socket: connection(from('192.0.2.9')),
        ca: authority.pem,
        servername: 'a.test',
        ALPNProtocols: ['h2'],
      }),
  })
  client.on('error', () => undefined)
  stage.onEnd(() => client.destroy())
  const stream = client.request({ ':path': '/functions/fn' })
  expect(await text(stream)).toBe('192.0.2.9')
})

test('rates are counted for the caller, not for the balancer', async () => {
  await start({}, { access: { kind: 'public' }, rate: { calls: 1, periodMs: 3_600_000 } })
  expect((await ask(from('192.0.2.7')))[0]).toBe(200)
  expect((await ask(from('192.0.2.7')))[0]).toBe(429)
  expect((await ask(from('192.0.2.8')))[0]).toBe(200)
})

test('connections are counted for the caller, from the header on', async () => {
  await start({ maxConnectionsPerPeer: 2, headersTimeoutMs: 20_000 })
  const waiting = [1, 2].map(() => connection(from('192.0.2.7')))
  await expect.poll(() => ask(from('192.0.2.7')).catch(() => 'closed')).toBe('closed')
  expect((await ask(from('192.0.2.8')))[0]).toBe(200)
  waiting.forEach(socket => socket.destroy())
  await expect.poll(() => ask(from('192.0.2.7')).catch(() => 'closed')).toEqual([200, '192.0.2.7'])
})

/** The redirect has the same eyes, and more patience. */
const SILENT = ['', 'PROXY TCP4 192.0.2.7 198', from('192.0.2.7')]

test.each([
  ['begins with TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ['begins with HTTP', 'GET / HTTP/1.1\r\n\r\n'],
  ['has a broken header', 'PROXY TCP4 192.0.2.7\r\n'],
  ['sends no more than a part of it', 'PROXY TCP4 192.0.2.7 198'],
  ['sends nothing', ''],
  ['has two headers', from('192.0.2.7') + from('192.0.2.8')],
  ['sends nothing after it', from('192.0.2.7')],
])('a balancer that %s is let go, at both ports, and others go on', async (_what, bytes) => {
  await start()
  await closed(connection(bytes))
  if (!SILENT.includes(bytes)) await closed(connection(bytes, redirectPort))
  expect(await ask(from('192.0.2.7'))).toEqual([200, '192.0.2.7'])
})

test('of others than the balancer a header is no header, and a connection without one is served', async () => {
  await start({ trustProxy: ['192.0.2.1'] })
  await expect(ask(from('192.0.2.7'))).rejects.toThrow()
  expect(await ask('')).toEqual([200, '127.0.0.1'])
})

test('the redirect reads the header, too, and leaves what follows', async () => {
  await start()
  const socket = connection(`${from('192.0.2.7')}GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n`, redirectPort)
  expect(await text(socket)).toMatch(new RegExp(`^HTTP/1.1 308 [^]*location: https://a.test:${port}/x`))
})
