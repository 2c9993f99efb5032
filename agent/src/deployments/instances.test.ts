/** What starting instances requests from an engine, and how often. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DeployEntry, RyoFaasError, type BootFacts } from '../contract/index.ts'
import type { BuiltPackage, Engine, Images, Instance, InstanceSpec, Pool } from '../engines/index.ts'
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
  pool: Pool | undefined
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
  const boots: BootFacts[] = []
  const onBoot = (facts: BootFacts) => void boots.push(facts)
  const start = (count: number, more: Partial<VersionRecord> = {}) =>
    instances.start({ name: 'Hello', route: 'hello' }, { ...version, ...more }, { count, signal: never, onBoot })
  return { instances, start, known, boots }
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

/** As many instances wait as it says; its requests are recorded. */
function poolOf(engine: AskedEngine, waiting: number): Pool {
  return {
    open: wishes => void engine.asked.push(...wishes.map(({ limits }) => `open ${limits.memoryMb}`)),
    take: async (spec, built) => {
      engine.asked.push(`take ${built.route}:${built.hash}`)
      if (waiting-- <= 0) return { kind: 'none', why: 'none is waiting' }
      return { kind: 'taken', instance: { ...(await engine.start({ ...spec, image: '' })), origin: 'pool' } }
    },
  }
}

test('instances come out of the pool without an image; the rest is started from one, and both say so', async () => {
  const engine = new AskedEngine()
  engine.pool = poolOf(engine, 2)
  const { start, boots } = instancesOn(engine)
  await start(2)
  expect(engine.asked).toEqual(['take hello:h1', 'take hello:h1'])
  expect(boots.map(({ origin, why }) => [origin, why])).toEqual(Array(2).fill(['pool', undefined]))
  expect(boots[0]!.steps.map(({ doing }) => doing)).toEqual([
    'handing over code, variables and secrets',
    'booting, until it answers',
  ])
  await start(2)
  expect(engine.asked.slice(2)).toEqual(['take hello:h1', 'take hello:h1', 'build hello:h1'])
  expect(boots.slice(2).map(({ origin, why }) => [origin, why])).toEqual(Array(2).fill(['new', 'none is waiting']))
})

test('the pool is opened for what is deployed, and for a function with no settings', () => {
  const engine = new AskedEngine()
  engine.pool = poolOf(engine, 0)
  const config = { ...version.config, filePath: '/nowhere/main.sh', memoryMb: 512 }
  instancesOn(engine).instances.openPool([{ ...version, config }, version])
  // The other two are in no language that there is.
  expect(engine.asked).toEqual(['open 512'])
})
