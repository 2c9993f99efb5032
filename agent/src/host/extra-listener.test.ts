import { createServer, type Server as HttpServer } from 'node:http'
import { connect, type AddressInfo, type Server } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { listenAtAll, type ExtraHost } from './index.ts'

let server: HttpServer
let others: Server[]
let heard: number
beforeEach(async () => {
  heard = 0
  others = []
  server = createServer((_request, response) => void response.end('served'))
  server.on('connection', () => (heard += 1))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
})
afterEach(() => {
  for (const other of [server, ...others]) other.close()
  server.closeAllConnections()
})

const port = () => (server.address() as AddressInfo).port

async function listen(...extraHosts: ExtraHost[]): Promise<void> {
  others = await listenAtAll(server, { host: '127.0.0.1', port: port(), extraHosts })
}

/** The response to a request sent from `localAddress`. */
async function ask(host: string, localAddress: string): Promise<string> {
  const socket = connect({ host, port: port(), localAddress, allowHalfOpen: true })
  // A refusal may come as a reset.
  socket.on('error', () => undefined)
  socket.end('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  return text(socket).catch(() => '')
}

test('a peer of the network is served, also one that closes its side after its request', async () => {
  await listen({ host: '127.0.0.2', peers: ['127.1.0.0/16'] })
  expect(await ask('127.0.0.2', '127.1.0.9')).toMatch(/served$/)
})

test.each(['127.0.0.1', '127.0.0.2', '127.2.0.1', '127.0.255.255'])(
  'a peer at %s, outside of it, is not heard',
  async peer => {
    await listen({ host: '127.0.0.2', peers: ['127.1.0.0/16'] })
    expect(await ask('127.0.0.2', peer)).toBe('')
    expect(heard).toBe(0)
  },
)

test('without networks nobody is served; several networks all work', async () => {
  await listen({ host: '127.0.0.2', peers: [] }, { host: '127.0.0.3', peers: ['127.1.0.0/16', '127.2.0.0/24'] })
  expect(await ask('127.0.0.2', '127.1.0.9')).toBe('')
  expect(await ask('127.0.0.3', '127.1.0.9')).toMatch(/served$/)
  expect(await ask('127.0.0.3', '127.2.0.9')).toMatch(/served$/)
  expect(await ask('127.0.0.3', '127.2.1.9')).toBe('')
})

test.each(['0.0.0.0', '::'])('a server that listens everywhere (%s) does so without further listeners', async host => {
  await new Promise(resolve => server.close(resolve))
  await new Promise<void>(resolve => server.listen(0, host, resolve))
  others = await listenAtAll(server, { host, port: port(), extraHosts: [{ host: '127.0.0.2', peers: [] }] })
  expect(others).toEqual([])
  expect(await ask('127.0.0.2', '127.0.0.9')).toMatch(/served$/)
})

test('the address of the server itself is open to everyone, even if listed again', async () => {
  await listen({ host: '127.0.0.1', peers: [] })
  expect(await ask('127.0.0.1', '127.2.0.1')).toMatch(/served$/)
})

test('the connection limit of the server applies here too', async () => {
  server.maxConnections = 1
  await listen({ host: '127.0.0.2', peers: ['127.0.0.0/8'] })
  const held = connect({ host: '127.0.0.2', port: port() })
  await new Promise(resolve => server.once('connection', resolve))
  expect(await ask('127.0.0.2', '127.0.0.1')).toBe('')
  held.destroy()
})

test('if the port is taken on one address, it is released on the others', async () => {
  const taken = createServer()
  await new Promise<void>(resolve => taken.listen(port(), '127.0.0.3', resolve))
  const both = ['127.0.0.2', '127.0.0.3'].map(host => ({ host, peers: ['127.0.0.0/8'] }))
  await expect(listen(...both)).rejects.toMatchObject({ code: 'EADDRINUSE' })
  taken.close()
  await expect(listen(...both)).resolves.toBeUndefined()
})
