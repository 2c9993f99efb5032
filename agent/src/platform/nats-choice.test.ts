/** Where NATS runs has nothing to do with where functions run: Docker is asked when a container is needed. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import Docker from 'dockerode'
import { RyoFaasError } from '../contract/index.ts'
import type { DockerService } from '../docker/index.ts'
import { obtainNats } from './nats-choice.ts'
import { PlatformOptions } from './options.ts'

/** It has every image and no container. */
let daemon: Server
let asked: string[]
beforeEach(async () => {
  asked = []
  daemon = createServer(({ url = '' }, response) => {
    asked.push(url)
    response.writeHead(url.startsWith('/images/') ? 200 : 404, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>(resolve => daemon.listen(0, '127.0.0.1', resolve))
})
afterEach(() => {
  daemon.closeAllConnections()
  daemon.close()
})

const obtain = (natsServer: string, connect: () => Promise<unknown>) =>
  obtainNats({
    home: '/nowhere',
    options: PlatformOptions.parse({ engine: 'process', natsServer, natsImage: 'nats:of-a-test' }),
    environment: {},
    docker: { connect } as DockerService,
    port: () => 0,
    report: () => undefined,
  })

test('a server that is there is run as a process, and Docker is not asked for', async () => {
  const part = await obtain(process.execPath, () => Promise.reject(new Error('nobody was to ask')))
  expect(part.name).toBe('nats')
  expect(asked).toEqual([])
})

test('in a container it runs wherever Docker answers, on whatever engine functions run', async () => {
  const { port } = daemon.address() as AddressInfo
  const docker = new Docker({ protocol: 'http', host: '127.0.0.1', port })
  const part = await obtain('image', async () => ({ docker }))
  await part.stop()
  expect(asked).toEqual(['/images/nats:of-a-test/json', '/containers/rfa.nats/json'])
})

test('if it needs a container and Docker is not responding, that is the reason given', async () => {
  const away = new RyoFaasError('DOCKER_UNREACHABLE', 'connecting to unix:///nowhere: Docker is not responding')
  await expect(obtain('image', () => Promise.reject(away))).rejects.toMatchObject({
    code: 'NATS_UNAVAILABLE',
    message: 'NATS cannot run from the image nats:of-a-test: connecting to unix:///nowhere: Docker is not responding',
    hint: expect.stringContaining('apt-get install') as string,
  })
})
