import http from 'node:http'
import net from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { Stage, until } from '../proxy-testing.ts'
import type { Proxy } from '../proxy.ts'

let stage: Stage
let proxy: Proxy

beforeEach(async () => {
  stage = new Stage()
  proxy = await stage.proxy()
})
afterEach(() => stage.end())

const inflight = async () => (await proxy.stats()).functions[0]!.inflight
const UPGRADE = 'GET /functions/fn/a?b HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\nX-Own: 1\r\n\r\n'

function connect(bytes: string): { socket: net.Socket; received: () => string; isEnded: () => boolean } {
  const socket = net.connect({ port: proxy.address.port, host: '127.0.0.1', allowHalfOpen: true })
  stage.onEnd(() => void socket.destroy())
  let received = ''
  let isEnded = false
  socket.on('data', piece => (received += piece.toString('latin1')))
  socket.on('end', () => (isEnded = true))
  socket.on('error', () => {})
  socket.write(bytes)
  return { socket, received: () => received, isEnded: () => isEnded }
}

it('a WebSocket works through the proxy, beyond timeoutMs, and counts as in flight', async () => {
  const server = new WebSocketServer({ noServer: true })
  server.on('connection', socket => socket.on('message', data => socket.send(`echo ${String(data)}`)))
  const instance = await stage.http(function (this: http.Server, _request, response) {
    this.on('upgrade', (request, socket, head) => {
      server.handleUpgrade(request, socket, head, webSocket => server.emit('connection', webSocket, request))
    })
    response.end()
  })
  // The server learns to upgrade with its first request.
  await stage.serve(proxy, [instance], { timeoutMs: 150 })
  await fetch(`http://127.0.0.1:${proxy.address.port}/functions/fn`)
  const client = new WebSocket(`ws://127.0.0.1:${proxy.address.port}/functions/fn/chat`)
  stage.onEnd(() => client.terminate())
  await new Promise(resolve => client.on('open', resolve))
  expect(await inflight()).toBe(1)
  const openedAt = performance.now()
  await until(() => performance.now() - openedAt > 200, 'timeoutMs is over')
  const big = 'x'.repeat(1_000_000)
  for (const message of ['one', big]) {
    client.send(message)
    expect(await new Promise(resolve => client.once('message', data => resolve(String(data))))).toBe(`echo ${message}`)
  }
  client.close()
  await until(async () => (await inflight()) === 0, 'the tunnel is closed')
})

it('bytes that come with the request and with the 101 are carried, each half closes on its own', async () => {
  const instance = await stage.raw(
    socket => {
      socket.once('data', () => socket.write(`${SWITCH}early;`))
      socket.on('end', () => socket.end('late'))
    },
    { allowHalfOpen: true },
  )
  await stage.serve(proxy, [instance])
  const client = connect(`${UPGRADE}first;`)
  await until(() => client.received().endsWith('early;') && instance.received().endsWith('first;'), 'bytes arrived')
  expect(client.received()).toContain('\r\nX-Own: 1\r\n')
  expect(instance.received()).toMatch(/^GET \/a\?b HTTP\/1.1\r\n/)
  client.socket.write('second;')
  await until(() => instance.received().endsWith('first;second;'), 'more bytes arrived')
  client.socket.end()
  await until(() => client.isEnded() && client.received().endsWith('late'), 'the other half came to its end')
  await until(async () => (await inflight()) === 0 && instance.connections.size === 0, 'all is closed')
})

it('either side going away closes the other', async () => {
  const instance = await stage.raw(socket => socket.once('data', () => socket.write(SWITCH)))
  await stage.serve(proxy, [instance])
  const first = connect(UPGRADE)
  await until(() => first.received().includes('101'), 'the first is through')
  first.socket.destroy()
  await until(() => instance.connections.size === 0, 'the instance hears of it')
  const second = connect(UPGRADE)
  await until(() => second.received().includes('101'), 'the second is through')
  for (const socket of instance.connections) socket.destroy()
  await until(second.isEnded, 'the client hears of it')
})

it('any other answer to an upgrade is an answer, errors of the platform included', async () => {
  const instance = await stage.http((_request, response) => {
    response.statusCode = 426
    response.end('no')
  })
  await stage.serve(proxy, [instance])
  const plain = connect(UPGRADE)
  await until(plain.isEnded, 'the answer is complete')
  expect(plain.received()).toMatch(/^HTTP\/1.1 426 [^]*\r\nConnection: close\r\n[^]*no$/)
  const missing = connect(UPGRADE.replace('/fn', '/none'))
  await until(missing.isEnded, 'the answer is complete')
  expect(missing.received()).toMatch(/^HTTP\/1.1 404 [^]*FUNCTION_NOT_FOUND/)
  const silent = await stage.raw(() => {})
  await stage.serve(proxy, [silent], { timeoutMs: 50 })
  const late = connect(UPGRADE)
  await until(late.isEnded, 'the answer is complete')
  expect(late.received()).toMatch(/^HTTP\/1.1 504 /)
})

it('a tunnel that is silent both ways is closed, and counts no longer; one that is not stays', async () => {
  const idle = await stage.proxy({ upgradeIdleMs: 200 })
  const talkative = await stage.raw(socket =>
    socket.once('data', () => {
      socket.write(SWITCH)
      let said = 0
      // Longer than it may be silent, in one direction only.
      const timer = setInterval(() => {
        if (socket.destroyed || said === 20) clearInterval(timer)
        else socket.write(`<${(said += 1)}>`)
      }, 25)
    }),
  )
  await stage.serve(idle, [talkative], { concurrency: 1 })
  const socket = net.connect(idle.address.port, '127.0.0.1')
  let received = ''
  socket.on('data', piece => (received += String(piece)))
  const closed = new Promise(resolve => socket.once('close', resolve))
  socket.write(UPGRADE)
  await closed
  expect(received).toContain('<20>')
  await until(async () => (await idle.stats()).functions[0]!.inflight === 0, 'it counts no longer')
  await until(() => talkative.connections.size === 0, 'the instance is let go')
})
