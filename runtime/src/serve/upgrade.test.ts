import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { context } from '../context.ts'
import type { HttpHandler } from '../handlers.ts'
import { send, serveNode, serveWeb } from '../testing/serve-handler.ts'
import { until } from '../testing/until.ts'

const errors = vi.spyOn(console, 'error')
beforeEach(() => void errors.mockImplementation(() => {}))
afterEach(() => void errors.mockReset())

const sockets = new WebSocketServer({ noServer: true })

const echo: HttpHandler = (request, _response, { upgrade, signal }) => {
  if (!upgrade) throw new Error('No upgrade')
  sockets.handleUpgrade(request, upgrade.socket, upgrade.head, socket => {
    signal.addEventListener('abort', () => socket.close(1001))
    socket.on('message', data => socket.send(`${context().requestId}: ${String(data)}`))
  })
}

async function opened(port: number): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`, { headers: { 'x-request-id': 'r1' } })
  await once(socket, 'open')
  return socket
}

/** The response to an upgrade that is not accepted. */
async function refusal(port: number): Promise<number | undefined> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
  socket.on('error', () => {})
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
  socket.terminate()
  return response.statusCode
}

test('a Node-style handler can take a WebSocket, and context() works in its listeners', async () => {
  await using served = await serveNode(echo)
  const socket = await opened(served.port)
  socket.send('hi')
  expect(String((await once(socket, 'message'))[0])).toBe('r1: hi')
  socket.close(1000)
  expect((await once(socket, 'close'))[0]).toBe(1000)
})

test('a socket taken with only req.socket also works, and outlives the deadline', async () => {
  await using served = await serveNode(
    (request, _response, { upgrade, remainingMs }) => {
      sockets.handleUpgrade(request, request.socket, upgrade!.head, socket => {
        void until(() => remainingMs() === 0).then(() => socket.send('late'))
      })
    },
    { timeoutMs: 20 },
  )
  // On a busy machine the message comes with the answer to the upgrade.
  const socket = new WebSocket(`ws://127.0.0.1:${served.port}/`)
  expect(String((await once(socket, 'message'))[0])).toBe('late')
  socket.terminate()
})

test('a handler that ignores the upgrade answers as usual', async () => {
  await using served = await serveNode((_request, response) => void response.writeHead(418).end('no'))
  expect(await refusal(served.port)).toBe(418)
  await served.server.drain()
})

test('a handler that fails before it takes the upgrade is answered with 500', async () => {
  await using served = await serveNode(() => {
    throw new Error('boom')
  })
  expect(await refusal(served.port)).toBe(500)
})

test('a handler that does nothing about an upgrade exceeds its deadline', async () => {
  await using served = await serveNode(() => {}, { timeoutMs: 30 })
  expect(await refusal(served.port)).toBe(504)
})

test('a web-style handler cannot take an upgrade', async () => {
  await using served = await serveWeb(() => new Response('ran'))
  expect(await refusal(served.port)).toBe(501)
})

test('an open WebSocket counts as an invocation until it closes', async () => {
  await using served = await serveNode(echo, { concurrency: 1 })
  const socket = await opened(served.port)
  expect(await refusal(served.port)).toBe(429)
  socket.terminate()
  await until(async () => (await send(served.port)).status !== 429)
})

test('a drain lets WebSockets close cleanly', async () => {
  await using served = await serveNode(echo, { drainMs: 5_000 })
  const socket = await opened(served.port)
  const closed = once(socket, 'close')
  await served.server.drain()
  expect((await closed)[0]).toBe(1001)
})

test('a client that resets an upgraded connection does not affect others', async () => {
  await using served = await serveNode(echo)
  const request = httpRequest(served.url, {
    headers: {
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': 'AQIDBAUGBwgJCgsMDQ4PEA==',
      'sec-websocket-version': '13',
    },
  })
  const [, socket] = (await once(request.end(), 'upgrade')) as [IncomingMessage, Socket]
  socket.resetAndDestroy()
  await until(async () => {
    const { body } = await send(served.port, { path: '/.ryo-faas/health' })
    return (JSON.parse(body) as { inflight: number }).inflight === 0
  })
})
