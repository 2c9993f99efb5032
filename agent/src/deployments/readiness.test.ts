import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isHealthy } from './readiness.ts'

let server: Server
let asked: string[]
beforeEach(async () => {
  asked = []
  server = createServer((request, response) => {
    asked.push(request.url!)
    response.writeHead(request.url === '/ready' ? 204 : 404).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => void server.close())

const instance = () => {
  const { port } = server.address() as AddressInfo
  return { id: 'a', state: { kind: 'running' as const, address: { host: '127.0.0.1', port } } }
}

test('a program without a runtime is ready when it accepts connections, and is asked nothing', async () => {
  expect(await isHealthy(instance(), { kind: 'plain', path: undefined })).toBe(true)
  expect(await isHealthy(instance(), { kind: 'runtime' })).toBe(false)
  expect(asked).toEqual(['/.ryo-faas/health'])
  const gone = instance()
  server.close()
  await once(server, 'close')
  expect(await isHealthy(gone, { kind: 'plain', path: undefined })).toBe(false)
})

test('or when it answers 2xx at the path that it names', async () => {
  expect(await isHealthy(instance(), { kind: 'plain', path: '/ready' })).toBe(true)
  expect(await isHealthy(instance(), { kind: 'plain', path: '/other' })).toBe(false)
})
