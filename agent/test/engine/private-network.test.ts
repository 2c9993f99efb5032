/**
 * Who reaches what in the private network of a project: functions reach proxy, store and collector at its gateway, and
 * not each other; nothing else reaches the gateway's listeners.
 */
import { randomBytes } from 'node:crypto'
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type Docker from 'dockerode'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { request } from 'undici'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { TEST_KEYS } from '../../src/access/access-testing.ts'
import { startCollector } from '../../src/observability/collector/index.ts'
import { expose, seclude } from '../../src/engines/docker/forwarding-block.ts'
import { block, unblock } from '../../src/engines/docker/link-local-block.ts'
import { connectDocker } from '../../src/docker/index.ts'
import { DockerEngine, type DockerEngineOptions } from '../../src/engines/docker/docker-engine.ts'
import type { InstanceSpec, ProxyReach } from '../../src/engines/index.ts'
import { freePort } from '../../src/host/index.ts'
import { createProxy } from '../../src/services/proxy/index.ts'
import { createStore } from '../../src/services/store/index.ts'
import { furtherTest } from '../support/further-test.ts'
import { fromContainer, Neighbour, type Target } from '../support/probes.ts'
import { until } from '../support/until.ts'

const FUNCTION = `
import { createServer } from 'node:http'
createServer((_, response) => response.end('hello')).listen(6000, '0.0.0.0')
process.on('SIGTERM', () => process.exit(0))
`
const run = promisify(execFile)
const project = `rfat${randomBytes(4).toString('hex')}`
const network = `${project}-net`
const never = new AbortController().signal

let home: string
let docker: Docker
let engine: DockerEngine
let image: string
let reach: ProxyReach
const ends: (() => Promise<unknown>)[] = []

const makeEngine = async (more: Partial<DockerEngineOptions> = {}) =>
  new DockerEngine({
    ...(await connectDocker(process.env)),
    project,
    home,
    baseImage: { kind: 'assemble', nodePath: process.execPath },
    ...more,
  })

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'rfa-network-'))
  docker = (await connectDocker(process.env)).docker
  engine = await makeEngine()
  ;({ reach } = await engine.prepare(() => undefined))
  const dir = join(home, 'app')
  await mkdir(dir)
  await writeFile(join(dir, 'main.mjs'), FUNCTION)
  image = await engine.images.build({ route: 'probe', hash: 'h1', dir }, never)
})
afterAll(async () => {
  for (const end of ends.splice(0).reverse()) await end()
  await engine.cleanUp(true)
  await engine.close()
  await rm(home, { recursive: true, force: true })
})

const start = (more: Partial<InstanceSpec> = {}) => {
  const { debug } = engine.commandNeeds(more)
  const command = ['node', ...(debug ? [`--inspect=${debug.host}:${debug.port}`] : []), 'main.mjs']
  const spec = { id: `i${randomBytes(4).toString('hex')}`, route: 'probe', version: 1, image, command, env: {} }
  return engine.start({ ...spec, secrets: {}, limits: { memoryMb: 128, cpus: 1, pids: 64 }, ...more }, never)
}
const bridge = async () => `br-${((await docker.getNetwork(network).inspect()) as { Id: string }).Id.slice(0, 12)}`
const asFunction = (target: Target) => fromContainer(docker, { network, image }, target)

describe('the listeners at the gateway', () => {
  const parts: { name: string; answer: string; port: number }[] = []
  let gateway: string

  beforeAll(async () => {
    const extraHosts = [...reach.listenHosts]
    gateway = extraHosts[0]!.host
    const proxy = await createProxy({ port: 0, extraHosts })
    ends.push(() => proxy.close())
    const store = await createStore(
      { dataFolder: join(home, 'store'), access: TEST_KEYS, port: 0, extraHosts },
      { onEvent: () => undefined },
    )
    ends.push(() => store.close())
    const collector = await startCollector({
      ...{ folder: join(home, 'traces'), host: '127.0.0.1', extraHosts, port: 0, access: TEST_KEYS, environment: {} },
      ...{ hostNames: [], logger: pino({ level: 'silent' }), registry: new Registry(), onChange: () => undefined },
    })
    ends.push(() => collector.close())
    parts.push({ name: 'proxy', answer: '200', port: proxy.address.port })
    parts.push({ name: 'store', answer: '200', port: store.port })
    // It serves nothing there; any answer counts.
    parts.push({ name: 'collector', answer: '401', port: collector.port })
  })

  test('answer a container of the project', async () => {
    for (const { name, port, answer } of parts)
      expect([name, await asFunction({ host: gateway, port })]).toEqual([name, answer])
  })

  // `doors.test.ts` tries these two on a whole platform.
  furtherTest('do not answer a container of another network', async () => {
    const other = await docker.createNetwork({ Name: `${project}-other`, Driver: 'bridge' })
    try {
      for (const { name, port } of parts) {
        const outcome = await fromContainer(docker, { network: `${project}-other`, image }, { host: gateway, port })
        expect([name, outcome]).toEqual([name, 'closed'])
      }
    } finally {
      await other.remove()
    }
  })

  furtherTest('do not answer a neighbour that routes the network to this machine', async () => {
    const neighbour = await Neighbour.make()
    try {
      for (const { name, port } of parts) {
        expect([name, await neighbour.probe({ host: gateway, port })]).toEqual([name, 'closed'])
      }
    } finally {
      await neighbour.remove()
    }
  })
})

// `doors.test.ts` tries it on a whole platform.
furtherTest(
  'a function does not reach another one, neither its port nor its debugger, and this machine reaches both',
  async () => {
    const debugPort = await freePort()
    const { state } = await start({ debugPort })
    if (state.kind !== 'running') throw new Error(state.kind)
    const { host, port } = state.address
    const get = (url: string) =>
      until(() =>
        request(url).then(
          ({ statusCode }) => statusCode,
          () => undefined,
        ),
      )
    expect(await get(`http://${host}:${port}/`)).toBe(200)
    expect(await get(`http://127.0.0.1:${debugPort}/json/version`)).toBe(200)
    expect(await asFunction({ host, port })).toBe('timeout')
    expect(await asFunction({ host, port: 9229 })).toBe('timeout')
  },
)

test('a neighbour does not reach functions, even where the firewall forwards what it sends', async () => {
  const { state } = await start()
  if (state.kind !== 'running') throw new Error(state.kind)
  const neighbour = await Neighbour.make()
  const forwardNoLonger = await neighbour.forward()
  try {
    const { host, port } = state.address
    const get = () => request(`http://${host}:${port}/`).then(({ statusCode }) => statusCode, () => undefined) // prettier-ignore
    expect(await until(get)).toBe(200)
    expect(await neighbour.probe(state.address)).toBe('timeout')
    await expose(await bridge())
    expect(await neighbour.probe(state.address)).toBe('200')
    expect(await seclude(await bridge())).toBeUndefined()
    expect(await neighbour.probe(state.address)).toBe('timeout')
  } finally {
    await forwardNoLonger()
    await neighbour.remove()
  }
})

describe('link-local addresses', () => {
  const rulesOf = async (name: string) =>
    (await run('iptables', ['-t', 'raw', '-S', 'PREROUTING'])).stdout.split('\n').filter(line => line.includes(name))

  test('are closed to functions by a rule that is set once, and goes with the network', async () => {
    const own = await makeEngine({ project: `${project}l` })
    await own.prepare(() => undefined)
    const { Id } = (await docker.getNetwork(`${project}l-net`).inspect()) as { Id: string }
    const name = `br-${Id.slice(0, 12)}`
    const { warnings } = await own.prepare(() => undefined)
    const rules = await rulesOf(name)
    expect(rules).toHaveLength(2)
    for (const rule of rules)
      expect(rule).toMatch(/-d 169\.254\.0\.0\/16 -i br-\w+ -p (tcp|udp) .*! --dport 53 .*-j DROP/)
    expect(warnings.join()).not.toContain('link-local')
    await own.cleanUp(false)
    await own.close()
    expect(await rulesOf(name)).toEqual([])
  })

  test('such a rule stops what a function sends, and nothing else', async () => {
    const neighbour = await Neighbour.make()
    const stop = await neighbour.serve(8080)
    const target = { host: neighbour.address, port: 8080 }
    // The test's own address replaces the real one, which must not be contacted.
    const blocked = { bridge: await bridge(), addresses: `${neighbour.address}/32` }
    try {
      expect(await asFunction(target)).toBe('200')
      expect(await block(blocked)).toBeUndefined()
      expect(await asFunction(target)).toBe('timeout')
      expect(await fromContainer(docker, { network: 'bridge', image }, target)).toBe('200')
      await unblock(blocked)
      expect(await asFunction(target)).toBe('200')
    } finally {
      await unblock(blocked)
      stop()
      await neighbour.remove()
    }
  })
})

test('without a firewall to configure, the engine reports what does not hold', async () => {
  // iptables is in /usr/sbin.
  vi.stubEnv('PATH', '/usr/bin')
  const own = await makeEngine({ project: `${project}w` })
  try {
    const { warnings } = await own.prepare(() => undefined)
    expect(warnings).toEqual([
      'machines that route to its network may reach functions (iptables is not installed)',
      expect.stringContaining('functions can reach link-local addresses'),
    ])
  } finally {
    vi.unstubAllEnvs()
    await own.cleanUp(false)
    await own.close()
  }
})

test('without egress a function reaches the gateway and nothing beyond, and this machine reaches it', async () => {
  const neighbour = await Neighbour.make()
  const stop = await neighbour.serve(8080)
  const own = await makeEngine({ project: `${project}e`, egress: 'none' })
  const server = createServer((_request, response) => void response.end()).listen(0, '0.0.0.0')
  try {
    const { reach } = await own.prepare(() => undefined)
    const [gateway] = reach.listenHosts
    const asConfined = (target: Target) => fromContainer(docker, { network: `${project}e-net`, image }, target)
    expect(await asConfined({ host: gateway!.host, port: (server.address() as AddressInfo).port })).toBe('200')
    expect(await asConfined({ host: neighbour.address, port: 8080 })).toMatch(/^(timeout|ENETUNREACH|EHOSTUNREACH)$/)
    expect(await asFunction({ host: neighbour.address, port: 8080 })).toBe('200')
    const command = ['node', 'main.mjs']
    const spec = { id: 'i1', route: 'probe', version: 1, image, command, env: {}, secrets: {} }
    const { state } = await own.start({ ...spec, limits: { memoryMb: 128, cpus: 1, pids: 64 } }, never)
    if (state.kind !== 'running') throw new Error(state.kind)
    const { host, port } = state.address
    const ask = () => request(`http://${host}:${port}/`).then(({ statusCode }) => statusCode, () => undefined) // prettier-ignore
    expect(await until(ask)).toBe(200)
  } finally {
    server.close()
    stop()
    await neighbour.remove()
    await own.cleanUp(false)
    await own.close()
  }
})

describe('a network created by an earlier version', () => {
  const isolation = async () => {
    const { Options } = (await docker.getNetwork(network).inspect()) as { Options: Record<string, string> }
    return Options['com.docker.network.bridge.enable_icc']
  }
  const makeOld = async () => {
    for (const { id } of await engine.instances()) await engine.stop(id, 0)
    await unblock({ bridge: await bridge() })
    await expose(await bridge())
    await docker.getNetwork(network).remove()
    await docker.createNetwork({
      Name: network,
      Driver: 'bridge',
      Labels: { 'ryo-faas': project, [project]: 'network' },
    })
  }

  test('is replaced if nothing is running in it', async () => {
    await makeOld()
    const later = await makeEngine()
    await later.prepare(() => undefined)
    await later.close()
    expect(await isolation()).toBe('false')
  })

  test('stays while something is running in it', async () => {
    await makeOld()
    const { id } = await start()
    const later = await makeEngine()
    const { warnings } = await later.prepare(() => undefined)
    expect(await isolation()).toBeUndefined()
    expect(await later.instances()).toMatchObject([{ id, state: { kind: 'running' } }])
    expect(warnings.join()).toMatch(/functions can reach each other/)
    await later.close()
  })
})
