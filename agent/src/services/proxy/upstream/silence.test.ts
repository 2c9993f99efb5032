import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { closedPort } from '../proxy-testing.ts'
import { canReach } from './silence.ts'

const host = '127.0.0.1'
const LISTEN = `require('net').createServer().listen({ port: 0, host: '${host}', backlog: 1 }, function () {
  console.log(this.address().port)
})`

it('whatever takes or refuses a connection is there', async () => {
  const server = net.createServer().listen(0, host)
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  expect(await canReach({ host, port: (server.address() as AddressInfo).port }, 10_000)).toBe(true)
  expect(await canReach({ host, port: await closedPort() }, 10_000)).toBe(true)
})

it('what answers nothing is not', async () => {
  const child = spawn(process.execPath, ['-e', LISTEN], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const port = Number(String(line))
  child.kill('SIGSTOP')
  // The system takes connections for it until the backlog is full, then it drops them.
  const waiting = Array.from({ length: 8 }, () => net.connect({ host, port }).on('error', () => undefined))
  onTestFinished(() => waiting.forEach(socket => socket.destroy()))
  await once(waiting[0]!, 'connect')
  expect(await canReach({ host, port }, 100)).toBe(false)
})
