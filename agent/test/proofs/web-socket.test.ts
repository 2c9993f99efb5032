/** A WebSocket client and a server do not notice the proxy between them. */
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import net from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket, WebSocketServer, type ClientOptions } from 'ws'
import { Stage, text } from '../../src/services/proxy/proxy-testing.ts'
import type { Proxy } from '../../src/services/proxy/proxy.ts'

const stage = new Stage()
const clients: WebSocket[] = []
let proxy: Proxy
/** The function's side of the latest connection, and the request that opened it. */
let accepted: Promise<{ socket: WebSocket; request: IncomingMessage }>

const server = new WebSocketServer({
  noServer: true,
  perMessageDeflate: { threshold: 0 },
  maxPayload: 8 * 1024 ** 2,
  handleProtocols: protocols => [...protocols].find(name => name === 'chat') ?? false,
})

beforeAll(async () => {
  proxy = await stage.proxy()
  const instance = await stage.http(
    (_request, response) => response.end(),
    (request, socket, head) => {
      if (request.url === '/refused') {
        socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 6\r\nConnection: close\r\n\r\nnot me')
      } else {
        server.handleUpgrade(request, socket, head, opened => server.emit('connection', opened, request))
      }
    },
  )
  await stage.serve(proxy, [instance])
})
afterEach(() => {
  for (const client of clients.splice(0)) client.terminate()
})
afterAll(() => stage.end())

function dial(path = '/', options: ClientOptions = {}, protocols: string[] = []): WebSocket {
  accepted = once(server, 'connection').then(([socket, request]) => ({
    socket: socket as WebSocket,
    request: request as IncomingMessage,
  }))
  const url = `ws://127.0.0.1:${proxy.address.port}/functions/fn${path}`
  const client = new WebSocket(url, protocols, { perMessageDeflate: false, ...options })
  // Ending a connecting socket emits an error.
  client.on('error', () => undefined)
  clients.push(client)
  return client
}

async function open(...args: Parameters<typeof dial>): Promise<{ client: WebSocket; socket: WebSocket }> {
  const client = dial(...args)
  await once(client, 'open')
  return { client, socket: (await accepted).socket }
}

async function received(socket: WebSocket): Promise<{ data: string; isBinary: boolean }> {
  const [data, isBinary] = (await once(socket, 'message')) as [Buffer, boolean]
  return { data: data.toString('latin1'), isBinary }
}

describe.each([0, 1, 125, 126, 127, 65_535, 65_536, 1024 ** 2])('a message of %i bytes', size => {
  test.each([
    ['text', false],
    ['binary', true],
  ])('as %s reaches either side', async (_kind, isBinary) => {
    const { client, socket } = await open()
    const data = Buffer.alloc(size, 'a')
    client.send(data, { binary: isBinary })
    expect(await received(socket)).toEqual({ data: data.toString(), isBinary })
    socket.send(data, { binary: isBinary })
    expect(await received(client)).toEqual({ data: data.toString(), isBinary })
  })
})

describe.each([1000, 1001, 1003, 1007, 1008, 1011, 3000, 4999])('close code %i', code => {
  test('and its reason reach the function', async () => {
    const { client, socket } = await open()
    client.close(code, 'why')
    const [told, reason] = (await once(socket, 'close')) as [number, Buffer]
    expect([told, reason.toString()]).toEqual([code, 'why'])
  })

  test('and its reason reach the client', async () => {
    const { client, socket } = await open()
    socket.close(code, 'why')
    const [told, reason] = (await once(client, 'close')) as [number, Buffer]
    expect([told, reason.toString()]).toEqual([code, 'why'])
  })
})

describe('frames', () => {
  test('a ping gets a pong, from either side', async () => {
    const { client, socket } = await open()
    client.ping('from the client')
    expect(String((await once(client, 'pong'))[0])).toBe('from the client')
    socket.ping('from the function')
    expect(String((await once(socket, 'pong'))[0])).toBe('from the function')
  })

  test('fragments are one message, also with a ping between them, from either side', async () => {
    const { client, socket } = await open()
    for (const [from, to] of [
      [client, socket],
      [socket, client],
    ] as const) {
      from.send('one ', { fin: false })
      from.ping()
      from.send('two ', { fin: false })
      from.send('three', { fin: true })
      expect((await received(to)).data).toBe('one two three')
    }
  })

  test('compressed messages are understood', async () => {
    const { client, socket } = await open('/', { perMessageDeflate: true })
    expect(client.extensions).toContain('permessage-deflate')
    client.send('a'.repeat(100_000))
    expect((await received(socket)).data).toHaveLength(100_000)
    socket.send('b'.repeat(100_000))
    expect((await received(client)).data).toHaveLength(100_000)
  })

  test('a thousand messages arrive in order', async () => {
    const { client, socket } = await open()
    const arrived: string[] = []
    const all = new Promise<void>(resolve =>
      socket.on('message', data => {
        if (arrived.push(String(data)) === 1_000) resolve()
      }),
    )
    const sent = Array.from({ length: 1_000 }, (_, n) => String(n))
    for (const message of sent) client.send(message)
    await all
    expect(arrived).toEqual(sent)
  })

  test('a connection that ends without a close frame is 1006 on the other side', async () => {
    const first = await open()
    first.client.terminate()
    expect((await once(first.socket, 'close'))[0]).toBe(1006)
    const second = await open()
    second.socket.terminate()
    expect((await once(second.client, 'close'))[0]).toBe(1006)
  })

  test('an unmasked frame of a client is a protocol error that the function answers with 1002', async () => {
    const { socket: raw, answer } = await handshake()
    expect(answer).toMatch(/^HTTP\/1\.1 101 /)
    const { socket } = await accepted
    socket.on('error', () => undefined)
    raw.write(Buffer.from([0x81, 0x01, 0x61]))
    const [frame] = (await once(raw, 'data')) as [Buffer]
    expect([...frame.subarray(0, 4)]).toEqual([0x88, 0x02, 1002 >> 8, 1002 & 0xff])
    raw.destroy()
  })
})

describe('the handshake', () => {
  test('carries path, query and headers', async () => {
    await open('/chat?room=1', { headers: { 'x-own': 'yes' } })
    const { request } = await accepted
    expect(request.url).toBe('/chat?room=1')
    expect(request.headers).toMatchObject({ 'x-own': 'yes', 'x-forwarded-proto': 'http' })
  })

  test('agrees on a subprotocol, or on none', async () => {
    expect((await open('/', {}, ['other', 'chat'])).client.protocol).toBe('chat')
    await expect(once(dial('/', {}, ['other']), 'open')).rejects.toThrow()
  })

  test('that is refused gets the function’s own response', async () => {
    const [, response] = (await once(dial('/refused'), 'unexpected-response')) as [unknown, IncomingMessage]
    expect([response.statusCode, await text(response)]).toEqual([401, 'not me'])
  })

  test('to a missing function gets a 404', async () => {
    const url = `ws://127.0.0.1:${proxy.address.port}/functions/nobody`
    const client = new WebSocket(url)
    client.on('error', () => undefined)
    clients.push(client)
    const [, response] = (await once(client, 'unexpected-response')) as [unknown, IncomingMessage]
    expect(response.statusCode).toBe(404)
    response.resume()
  })

  test('of an unknown version is refused by the function', async () => {
    const { answer, socket } = await handshake({ 'Sec-WebSocket-Version': '7' })
    expect(answer).toMatch(/^HTTP\/1\.1 4(00|26) /)
    socket.destroy()
  })

  test('may be followed by frames immediately', async () => {
    const masked = Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x61])
    const { socket: raw } = await handshake({}, masked)
    expect((await received((await accepted).socket)).data).toBe('a')
    raw.destroy()
  })
})

/** Raw frames, for what no client library sends. */
async function handshake(headers: Record<string, string> = {}, behind = Buffer.alloc(0)) {
  accepted = once(server, 'connection').then(([socket, request]) => ({
    socket: socket as WebSocket,
    request: request as IncomingMessage,
  }))
  const lines = {
    Host: 'localhost',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Key': Buffer.from('sixteen bytes ok').toString('base64'),
    'Sec-WebSocket-Version': '13',
    ...headers,
  }
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`)
  const socket = net.connect(proxy.address.port, '127.0.0.1')
  socket.on('error', () => socket.destroy())
  socket.write(Buffer.concat([Buffer.from(`GET /functions/fn/ HTTP/1.1\r\n${head.join('')}\r\n`), behind]))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  return { socket, answer: answer.toString('latin1') }
}
