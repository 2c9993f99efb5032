import { randomBytes } from 'node:crypto'
import { createServer, type AddressInfo } from 'node:net'
import { connect as connectPlain } from 'node:net'
import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { connectPeer, PeerDoor } from './peer-door.ts'

const peerKey = randomBytes(32)

/** An API that repeats what it hears, and a door in front of it. */
async function makeDoor() {
  let connections = 0
  const api = createServer({ allowHalfOpen: true }, socket => {
    connections += 1
    socket.on('error', () => undefined).pipe(socket)
  })
  api.listen(0, '127.0.0.1')
  await once(api, 'listening')
  const to = () => (api.address() as AddressInfo).port
  const door = await PeerDoor.listen({ peerKey, host: '127.0.0.1', port: 0, to })
  onTestFinished(async () => {
    await door.close()
    await new Promise(resolve => api.close(resolve))
  })
  return { address: `127.0.0.1:${door.port}`, port: door.port, door, connections: () => connections }
}

test('who has the key reaches the API, and its connection is encrypted with forward secrecy', async () => {
  const { address } = await makeDoor()
  const socket = await connectPeer(address, peerKey)
  socket.allowHalfOpen = true
  expect([socket.getProtocol(), socket.getCipher().name]).toEqual(['TLSv1.2', 'ECDHE-PSK-CHACHA20-POLY1305'])
  const content = randomBytes(3_000_000)
  const read = (async () => {
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  })()
  socket.end(content)
  expect((await read).equals(content)).toBe(true)
})

test('who has another key, none, or speaks no TLS, reaches nothing', async () => {
  const { address, port, connections } = await makeDoor()
  await expect(connectPeer(address, randomBytes(32))).rejects.toThrow()
  const withoutKey = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await expect(once(withoutKey, 'secureConnect')).rejects.toThrow()
  const plain = connectPlain({ host: '127.0.0.1', port })
  plain.on('error', () => undefined).write('GET /v1/platform HTTP/1.1\r\n\r\n')
  await once(plain.resume(), 'close')
  expect(connections()).toBe(0)
})

test('a door that closes leaves no connection open', async () => {
  const { address, door } = await makeDoor()
  const socket = await connectPeer(address, peerKey)
  const closed = once(socket.on('error', () => undefined).resume(), 'close')
  await door.close()
  await closed
  await expect(connectPeer(address, peerKey)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})
