import net, { type AddressInfo, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterEach, beforeEach, expect, it, test } from 'vitest'
import { Stage, until } from '../proxy-testing.ts'
import { isLoopback, peerOf, PeerShare, plainAddress } from './peer-share.ts'

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
  ['2001:db8::1:2:3:4:5', '2001:db8:0:1::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
])('the peer at %s is %s', (address, peer) => expect(peerOf(plainAddress(address))).toBe(peer))

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['::ffff:127.0.0.1', true],
  ['10.0.0.1', false],
  ['128.0.0.1', false],
  ['::2', false],
])('whether %s is this machine: %s', (address, isOurs) => expect(isLoopback(plainAddress(address))).toBe(isOurs))

let stage: Stage
beforeEach(() => void (stage = new Stage()))
afterEach(() => stage.end())

function connect(port: number, host: string): Socket {
  const socket = net.connect(port, host)
  stage.onEnd(() => void socket.destroy())
  return socket.on('error', () => undefined)
}

it('a peer that has its share gets no more, until it closes one; those that are exempt get all they want', async () => {
  let isExempt = false
  const share = new PeerShare({ most: 2, isExempt: () => isExempt })
  const open = new Set<Socket>()
  const server = net.createServer(socket => {
    open.add(socket)
    socket.on('error', () => undefined).on('close', () => open.delete(socket))
    share.admit(socket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  stage.onEnd(() => void server.close())
  const { port } = server.address() as AddressInfo
  const [first] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
  await until(() => open.size === 2, 'two are open')
  const third = connect(port, '127.0.0.1')
  await until(() => third.destroyed, 'the third is closed')
  expect(open.size).toBe(2)
  first.destroy()
  await until(() => open.size === 1, 'one is closed')
  connect(port, '127.0.0.1')
  await until(() => open.size === 2, 'another is open')
  isExempt = true
  for (let i = 0; i < 3; i += 1) connect(port, '127.0.0.1')
  await until(() => open.size === 5, 'all are open')
})

const ownAddress = Object.values(networkInterfaces())
  .flat()
  .find(address => address?.family === 'IPv4' && !address.internal)?.address

it.skipIf(ownAddress === undefined)('the proxy counts those of other machines (needs a network)', async () => {
  const proxy = await stage.proxy({ host: '0.0.0.0', maxConnectionsPerPeer: 1 })
  const { port } = proxy.address
  const one = connect(port, ownAddress!)
  await new Promise(resolve => one.once('connect', resolve))
  const other = connect(port, ownAddress!)
  await until(() => other.destroyed, 'the second is closed')
  expect(one.destroyed).toBe(false)
  const near = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
  for (const socket of near) socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
  for (const socket of near) {
    expect(String(await new Promise(resolve => socket.once('data', resolve)))).toMatch(/^HTTP\/1.1 200 /)
  }
})
