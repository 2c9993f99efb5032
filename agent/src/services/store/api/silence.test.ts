import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { endSilentConnections } from './silence.ts'

const SILENCE_MS = 1_000

let server: Server
let stop: () => void
let client: Socket

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  stop = endSilentConnections(server, SILENCE_MS)
  client = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {})
})
afterEach(() => {
  stop()
  client.destroy()
  server.close()
  vi.useRealTimers()
})

const look = () => vi.advanceTimersByTime(SILENCE_MS / 4)

it('lets go of a request whose body does not go on, and not before', async () => {
  client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n')
  const [request] = (await once(server, 'request')) as [IncomingMessage]
  for (let i = 0; i < 10; i += 1) {
    client.write('x')
    await once(request, 'data')
    for (let looks = 0; looks < 4; looks += 1) look()
  }
  expect(request.socket.destroyed).toBe(false)
  look()
  look()
  await once(client, 'close')
})

it('lets go of an answer that nobody reads', async () => {
  client.pause().write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const [request] = (await once(server, 'request')) as [IncomingMessage]
  const { socket } = request
  // More than the system takes for a client that does not read.
  socket.write(Buffer.alloc(64 * 1024 * 1024))
  const closed = once(socket, 'close')
  // The system may take some more for a while.
  const looking = setTimeout(function again() {
    look()
    if (!socket.destroyed) looking.refresh()
  }, 1)
  await closed
  clearTimeout(looking)
  expect(client.bytesRead).toBeLessThan(64 * 1024 * 1024)
})

it('does not look any more once it is stopped', async () => {
  client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n')
  const [request] = (await once(server, 'request')) as [IncomingMessage]
  stop()
  for (let looks = 0; looks < 20; looks += 1) look()
  expect(request.socket.destroyed).toBe(false)
})
