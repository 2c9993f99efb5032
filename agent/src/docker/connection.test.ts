import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { DockerService } from './connection.ts'

afterEach(() => void vi.unstubAllEnvs())

test('Docker is contacted only when needed; a failed connection is retried, a good one is kept', async () => {
  const asked: string[] = []
  let isThere = false
  const daemon = createServer(({ url = '' }, response) => {
    asked.push(url)
    if (!isThere) return void response.destroy()
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ ServerVersion: '1.2.3', OperatingSystem: 'Debian', OSType: 'linux' }))
  })
  await once(daemon.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    daemon.closeAllConnections()
    daemon.close()
  })
  const address = `tcp://127.0.0.1:${(daemon.address() as AddressInfo).port}`
  vi.stubEnv('DOCKER_HOST', address)
  const service = new DockerService({ DOCKER_HOST: address })
  expect(asked).toEqual([])
  await expect(service.connect()).rejects.toMatchObject({ code: 'DOCKER_UNREACHABLE' })
  isThere = true
  asked.length = 0
  const connections = await Promise.all([service.connect(), service.connect()])
  expect(await service.connect()).toBe(connections[0])
  // Over TCP, only published ports can be reached.
  expect(connections[0]).toMatchObject({ note: `Docker 1.2.3 at ${address}`, reach: 'published' })
  expect(asked).toEqual(['/_ping', '/info'])
})
