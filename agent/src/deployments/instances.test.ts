/** What starting instances requests from an engine, and how often. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DeployEntry, RyoFaasError } from '../contract/index.ts'
import type { BuiltPackage, Engine, Images, Instance, InstanceSpec } from '../engines/index.ts'
import { Languages } from '../languages/index.ts'
import { SHELL } from '../languages/testing/shell-language.ts'
import { SecretStore } from '../secrets/index.ts'
import { Fleet } from './fleet.ts'
import { Instances } from './instances.ts'
import type { RoutePublisher } from './route-publisher.ts'
import type { VersionRecord } from './state/index.ts'
import { VersionImages } from './version-images.ts'

const never = new AbortController().signal

let home: string
let server: Server
let isHealthy: boolean
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'rfa-instances-'))
  isHealthy = true
  server = createServer((_request, response) => response.writeHead(isHealthy ? 200 : 503).end())
  await once(server.listen(0, '127.0.0.1'), 'listening')
})
afterEach(async () => {
  server.close()
  await rm(home, { recursive: true, force: true })
})

/** All its instances are one server. Its requests are recorded. */
class AskedEngine {
  readonly asked: string[] = []
  readonly started: InstanceSpec[] = []
  isImageGone = false
  state: Instance['state'] = { kind: 'running', address: { host: '127.0.0.1', port: 0 } }
  readonly images: Images = {
    refOf: ({ route, hash }: BuiltPackage) => `${route}:${hash}`,
    build: async built => {
      this.asked.push(`build ${built.route}:${built.hash}`)
      this.isImageGone = false
      return `${built.route}:${built.hash}`
    },
    list: async () => [],
    remove: async ref => void this.asked.push(`remove ${ref}`),
  }

  async start(spec: InstanceSpec): Promise<Instance> {
    if (this.isImageGone) throw new RyoFaasError('IMAGE_GONE', `${spec.image} is gone`)
    this.started.push(spec)
    const { port } = server.address() as AddressInfo
    const { id, route, version } = spec
    const state = { kind: 'running', address: { host: '127.0.0.1', port } } as const
    return { id, route, version, name: id, startedAt: '2026-01-01T00:00:00.000Z', state }
  }

  async instance(id: string): Promise<Instance | undefined> {
    this.asked.push(`instance ${id}`)
    return { id, route: 'hello', version: 1, name: id, startedAt: '2026-01-01T00:00:00.000Z', state: this.state }
  }

  codeFolderOf(): string {
    return '/app'
  }

  commandNeeds() {
    return {}
  }

  async stop(): Promise<void> {}
}

const version: VersionRecord = {
  ...{ version: 1, hash: 'h1', dir: '/nowhere/app', entry: 'main.mjs', kind: 'http', language: 'shell', protocol: 2 },
  createdAt: '2026-01-01T00:00:00.000Z',
  config: DeployEntry.parse({ name: 'Hello', packageDir: '/nowhere', filePath: '/nowhere/main.ts' }),
}

function instancesOn(asked: AskedEngine, { hasImages = true } = {}) {
  const known = new VersionImages(hasImages ? asked.images : undefined)
  const instances = new Instances({
    engine: asked as unknown as Engine,
    languages: new Languages([SHELL]),
    fleet: new Fleet(),
    publisher: {} as RoutePublisher,
    images: known,
    secrets: new SecretStore(home),
    surroundings: () => ({ proxyUrl: 'http://127.0.0.1:1', tokenOf: () => '', deliveryTokenOf: () => '' }),
    startTimeoutMs: 10_000,
  })
  const start = (count: number, more: Partial<VersionRecord> = {}) =>
    instances.start({ name: 'Hello', route: 'hello' }, { ...version, ...more }, { count, signal: never })
  return { start, known }
}

test('an image is built once, however many instances of the version are started', async () => {
  const engine = new AskedEngine()
  const { start } = instancesOn(engine)
  await start(3)
  await start(1)
  expect(engine.asked).toEqual(['build hello:h1'])
  expect(engine.started.map(({ image }) => image)).toEqual(Array(4).fill('hello:h1'))
})

test('image and instance are of the base that the version asks for, else of its language', async () => {
  const engine = new AskedEngine()
  const built: (string | undefined)[] = []
  engine.images.build = async ({ base, route, hash }) => (built.push(base), `${route}:${hash}`)
  await instancesOn(engine).start(1)
  await instancesOn(engine).start(1, { base: 'node@20' })
  expect(built).toEqual(['shell', 'node@20'])
  expect(engine.started.map(({ base }) => base)).toEqual(['shell', 'node@20'])
})

test('it is built again when a start says that it is gone, and after it was removed', async () => {
  const engine = new AskedEngine()
  const { start, known } = instancesOn(engine)
  await start(1)
  engine.isImageGone = true
  expect(await start(1)).toHaveLength(1)
  expect(engine.asked).toEqual(['build hello:h1', 'build hello:h1'])
  await known.remove('hello:h1')
  await start(1)
  expect(engine.asked).toEqual(['build hello:h1', 'build hello:h1', 'remove hello:h1', 'build hello:h1'])
})

test('an image that is gone again at once is reported, with the name of the function', async () => {
  const engine = new AskedEngine()
  const { start } = instancesOn(engine)
  engine.images.build = async () => 'hello:h1'
  engine.isImageGone = true
  await expect(start(1)).rejects.toMatchObject({
    code: 'IMAGE_GONE',
    message: 'Hello did not start: hello:h1 is gone',
  })
})

test('an engine without images starts from the folder of the package', async () => {
  const engine = new AskedEngine()
  await instancesOn(engine, { hasImages: false }).start(1)
  expect(engine.started[0]!.image).toBe('/nowhere/app')
})

test('an instance that is not ready is looked up by its id, and no other', async () => {
  const engine = new AskedEngine()
  engine.state = { kind: 'exited', at: '2026-01-01T00:00:00.000Z', code: 3, reason: 'exited with code 3' }
  isHealthy = false
  await expect(instancesOn(engine).start(1)).rejects.toMatchObject({
    code: 'START_FAILED',
    message: 'Hello did not start: it exited with code 3 before it was ready',
  })
  const [{ id }] = engine.started as [InstanceSpec]
  expect(engine.asked).toEqual(['build hello:h1', `instance ${id}`])
})
