import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { HttpHandler } from '../handlers.ts'
import { deferred } from '../testing/deferred.ts'
import { send, serveNode, serveWeb, type ServedHandler } from '../testing/serve-handler.ts'

const errors = vi.spyOn(console, 'error')
beforeEach(() => void errors.mockImplementation(() => {}))
afterEach(() => void errors.mockReset())

const POISON = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'

/** Keeps one connection open, as the proxy does, and reads until the other side ends it. */
async function receivedBy({ port }: ServedHandler, ...requests: string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(requests.map(request => `${request} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
  let received = ''
  socket.on('data', (piece: Buffer) => (received += piece.toString('latin1'))).on('error', () => {})
  await once(socket, 'close')
  return received
}

const logged = (): string =>
  errors.mock.calls.map(([, error]) => (error instanceof Error ? error.message : '')).join('\n')

const TOO_LONG: [string, HttpHandler][] = [
  ['at once', (_, response) => void response.writeHead(200, { 'content-length': 2 }).end('ok' + POISON)],
  [
    'by a second write',
    (_, response) => {
      response.writeHead(200, { 'content-length': 2 }).write('ok')
      response.write(POISON)
      response.end()
    },
  ],
  [
    'by its end',
    (_, response) => {
      response.setHeader('content-length', '2')
      response.write('ok')
      response.end(POISON)
    },
  ],
  ['as raw headers', (_, response) => void response.writeHead(200, ['content-length', '2']).end('ok' + POISON)],
  [
    'a turn later',
    async (_, response) => {
      response.writeHead(200, { 'content-length': 2 }).write('ok')
      await new Promise(resolve => setTimeout(resolve, 1))
      response.end(POISON)
    },
  ],
  [
    'even if the handler swallows the error',
    (_, response) => {
      response.writeHead(200, { 'content-length': 2 }).write('ok')
      try {
        response.write(POISON)
      } catch {
        // As a library might.
      }
    },
  ],
]

test.each(TOO_LONG)('what is written beyond the declared length is not sent: %s', async (_how, handler) => {
  await using served = await serveNode(handler)
  const received = await receivedBy(served, 'GET /attack', 'GET /victim')
  expect(received).not.toContain('poison')
  expect(received.match(/HTTP\/1\.1/g)?.length ?? 0).toBeLessThan(2)
})

test('the log says what is wrong with the length', async () => {
  await using served = await serveNode(
    (_, response) => void response.writeHead(200, { 'content-length': 2 }).end('four'),
  )
  await receivedBy(served, 'GET /')
  expect(logged()).toMatch(/content-length of 4 byte.* content-length of 2 byte.*drop content-length/s)
  expect(errors).toHaveBeenCalledOnce()
})

test('an answer that ends before its declared length ends the connection, and the log has the reason', async () => {
  await using served = await serveNode((_, response) => {
    response.writeHead(200, { 'content-length': 9 }).write('part')
    try {
      response.end()
    } catch (error) {
      errors('kept', error)
    }
  })
  expect(await receivedBy(served, 'GET /', 'GET /victim')).toMatch(/part$/)
  expect(logged()).toMatch(/content-length of 9/)
})

test('a relayed answer that fetch has unpacked is an error, and never the answer to another caller', async () => {
  const gate = deferred()
  const packed = gzipSync('x'.repeat(2_000) + POISON.repeat(1_000))
  await using upstream = await listening((_, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.byteLength })
    response.write(packed.subarray(0, 100))
    void gate.promise.then(() => response.end(packed.subarray(100)))
  })
  await using served = await serveNode(async (_, response) => {
    const answer = await fetch(upstream.url)
    response.writeHead(answer.status, Object.fromEntries(answer.headers))
    response.flushHeaders()
    gate.resolve()
    const reader = answer.body!.getReader()
    for (let read = await reader.read(); !read.done; read = await reader.read()) response.write(read.value)
    response.end()
  })
  const received = await receivedBy(served, 'GET /attack', 'GET /victim')
  expect(received.match(/^HTTP\/1\.1/gm)).toHaveLength(1)
  expect(received).not.toContain('poison')
  expect(logged()).toContain('fetch has unpacked the body')
})

test('an answer to an upgrade is also held to its length', async () => {
  await using served = await serveNode((_, response) => {
    response.writeHead(200, { 'content-length': 2 }).end('ok' + POISON)
  })
  const upgrade = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n'
  const socket = connect(served.port, '127.0.0.1').end(upgrade)
  let received = ''
  for await (const piece of socket) received += String(piece)
  expect(received).not.toContain('poison')
})

test('a Response with a length of its own is held to it', async () => {
  await using served = await serveWeb(() => new Response('ok' + POISON, { headers: { 'content-length': '2' } }))
  expect(await receivedBy(served, 'GET /attack', 'GET /victim')).not.toContain('poison')
})

test.each([
  ['HEAD', 200],
  ['GET', 304],
])('an answer without a body may declare one: %s %i', async (method, status) => {
  await using served = await serveNode((_, response) => void response.writeHead(status, { 'content-length': 9 }).end())
  expect(await send(served.port, { method })).toMatchObject({ status, headers: { 'content-length': '9' } })
  expect(errors).not.toHaveBeenCalled()
})

async function listening(handler: Parameters<typeof createServer>[1] & {}): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer(handler).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
