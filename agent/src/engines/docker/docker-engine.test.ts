/** Names of containers, against a daemon with four of them that can be renamed. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Docker from 'dockerode'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DockerEngine } from './docker-engine.ts'

interface Container {
  name: string
  labels: Record<string, string>
}

let containers: Record<string, Container>
let daemon: ReturnType<typeof createServer>
let engine: DockerEngine

beforeEach(async () => {
  containers = {
    c1: { name: 'rfa.nats', labels: { 'ryo-faas': 'rfa', rfa: 'nats' } },
    c2: {
      name: 'rfa-nats--i2',
      labels: { 'ryo-faas': 'rfa', rfa: 'function', 'rfa.function': 'nats', 'rfa.instance': 'i2' },
    },
    c3: {
      name: 'rfa-hello',
      labels: { 'ryo-faas': 'rfa', rfa: 'function', 'rfa.function': 'hello', 'rfa.instance': 'i3' },
    },
    c4: {
      name: 'rfa-hello--i4',
      labels: { 'ryo-faas': 'rfa', rfa: 'function', 'rfa.function': 'hello', 'rfa.instance': 'i4' },
    },
  }
  daemon = createServer((request, response) => {
    const url = new URL(request.url!, 'http://daemon')
    const [, key = '', what = ''] = /^\/containers\/([^/]+)(?:\/(\w+))?$/.exec(url.pathname) ?? []
    const found = Object.entries(containers).find(([id, { name }]) => id === key || name === key)
    if (key === 'json') return void response.end(JSON.stringify(listed(url.searchParams.get('filters'))))
    if (found === undefined) return void response.writeHead(404).end('{"message":"No such container"}')
    const [id, container] = found
    if (what === 'rename') {
      container.name = url.searchParams.get('name')!
      return void response.writeHead(204).end()
    }
    response.end(JSON.stringify({ Id: id, Name: `/${container.name}`, Config: { Labels: container.labels } }))
  })
  daemon.listen(0, '127.0.0.1')
  await once(daemon, 'listening')
  engine = new DockerEngine({
    docker: new Docker({ protocol: 'http', host: '127.0.0.1', port: (daemon.address() as AddressInfo).port }),
    project: 'rfa',
    home: '/nowhere',
    baseImage: { kind: 'assemble', nodePath: process.execPath },
    reach: 'bridge',
    note: '',
  })
})
afterEach(() => {
  daemon.closeAllConnections()
  daemon.close()
})

function listed(filters: string | null) {
  const { label } = JSON.parse(filters ?? '{"label":[]}') as { label: string[] }
  const has = (labels: Container['labels'], [name = '', value]: string[]) =>
    name in labels && labels[name] === (value ?? labels[name])
  const found = Object.entries(containers).filter(([, { labels }]) => label.every(one => has(labels, one.split('='))))
  return found.map(([Id, { labels: Labels }]) => ({ Id, Labels }))
}

const names = () => Object.values(containers).map(({ name }) => name)

test('a new version takes over the name of the one before', async () => {
  await engine.promote('i4')
  expect(names()).toEqual(['rfa.nats', 'rfa-nats--i2', 'rfa-hello--i3', 'rfa-hello'])
})

test('a function called nats does not collide with the NATS of the platform', async () => {
  await engine.promote('i2')
  expect(names()).toEqual(['rfa.nats', 'rfa-nats', 'rfa-hello', 'rfa-hello--i4'])
})

test('a container that is not a function is never renamed; its name is reported as taken', async () => {
  containers['c3']!.labels = { app: 'foreign' }
  await expect(engine.promote('i4')).rejects.toMatchObject({
    code: 'ENGINE_FAILED',
    message: expect.stringContaining('rfa-hello is taken') as string,
  })
  expect(names()).toEqual(['rfa.nats', 'rfa-nats--i2', 'rfa-hello', 'rfa-hello--i4'])
})
