import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import {
  ControlClient,
  PushChannel,
  RouteKeeper,
  RoutePatch,
  RouteTable,
  StaleTableError,
  startControlServer,
  type RouteInput,
} from './index.ts'

const AWAKE = { id: 'a', host: '127.0.0.1', port: 1 }
const FROZEN = { ...AWAKE, isFrozen: true as const }

let folder: string
let file: string
let keeper: RouteKeeper
let client: ControlClient
let server: { close(): Promise<void> }
/** What the process was told to serve, and how many changes it lets settle. */
let told: { generation: number; patched?: string }[]
let settle: (() => void)[]
let isSlow: boolean

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'route-patch-'))
  file = join(folder, 'routes.json')
  told = []
  settle = []
  isSlow = false
  keeper = new RouteKeeper({
    file,
    serve: ({ generation }, patch) => {
      told.push({ generation, ...(patch && { patched: patch.route.name }) })
      return isSlow ? new Promise(resolve => settle.push(resolve)) : undefined
    },
  })
  const controlPath = join(folder, 'c.sock')
  server = await startControlServer(controlPath, { reader: keeper })
  client = new ControlClient({ name: 'reader', controlPath })
})
afterEach(async () => {
  await server.close()
  await keeper.close()
  await rm(folder, { recursive: true })
})

const route = (name: string, instances: RouteInput['instances']): RouteInput => ({
  ...{ name, displayName: name, version: 1, timeoutMs: 1_000, concurrency: 0, instances },
})
const table = (generation: number, ...routes: RouteInput[]) => RouteTable.parse({ generation, routes })
const patch = (base: number, changed: RouteInput) => RoutePatch.parse({ base, generation: base + 1, route: changed })
const onDisk = async () => RouteTable.parse(JSON.parse(await readFile(file, 'utf8')))

it('a patch replaces one route of the table that is served, or adds it', async () => {
  await client.setRoutes(table(5, route('a', [AWAKE]), route('b', [AWAKE])))
  await (
    await client.setRoute(patch(5, route('a', [])))
  ).settled
  await (
    await client.setRoute(patch(6, route('c', [])))
  ).settled
  const shown = keeper.current!.routes.map(({ name, instances }) => [name, instances.length])
  expect(shown).toEqual([
    ['a', 0],
    ['b', 1],
    ['c', 0],
  ])
  expect(told).toEqual([{ generation: 5 }, { generation: 6, patched: 'a' }, { generation: 7, patched: 'c' }])
})

it('a patch of another table is refused with the generation that is served', async () => {
  await client.setRoutes(table(5, route('a', [AWAKE])))
  for (const base of [4, 6]) {
    const stale = await client.setRoute(patch(base, route('a', []))).catch((error: unknown) => error)
    expect(stale).toMatchObject({ name: 'StaleTableError', generation: 5 })
  }
  const backwards = { base: 5, generation: 5, route: route('a', []) }
  await expect(client.setRoute(backwards)).rejects.toThrow(/400/)
  expect(keeper.current!.routes[0]!.instances).toHaveLength(1)
})

it('a patch is served before it has settled, and the next one does not wait for that', async () => {
  await client.setRoutes(table(5, route('a', [AWAKE]), route('b', [FROZEN])))
  isSlow = true
  const freeze = await client.setRoute(patch(5, route('a', [FROZEN])))
  let isFrozen = false
  void freeze.settled.then(() => (isFrozen = true))
  isSlow = false
  await (
    await client.setRoute(patch(6, route('b', [AWAKE])))
  ).settled
  expect([isFrozen, keeper.generation]).toEqual([false, 7])
  settle[0]!()
  await freeze.settled
  expect(keeper.current!.routes.map(({ instances }) => instances[0]!.isFrozen)).toEqual([true, undefined])
})

it('a patch that freezes or takes away has settled only when it is on disk; one that wakes is saved later', async () => {
  await client.setRoutes(table(5, route('a', [AWAKE])))
  await (
    await client.setRoute(patch(5, route('a', [FROZEN])))
  ).settled
  expect(await onDisk()).toMatchObject({ generation: 6, routes: [{ instances: [FROZEN] }] })
  const second = { ...AWAKE, id: 'b' }
  await (
    await client.setRoute(patch(6, route('a', [AWAKE, second])))
  ).settled
  expect((await onDisk()).generation).toBe(6)
  await keeper.close()
  expect(await onDisk()).toMatchObject({ generation: 7, routes: [{ instances: [AWAKE, second] }] })
  await (
    await client.setRoute(patch(7, route('a', [second])))
  ).settled
  expect(await onDisk()).toMatchObject({ generation: 8, routes: [{ instances: [second] }] })
})

it('what is saved later is on disk without anything else happening', async () => {
  await client.setRoutes(table(5, route('a', [FROZEN])))
  await client.setRoute(patch(5, route('a', [AWAKE])))
  await expect.poll(async () => (await onDisk()).generation).toBe(6)
})

it('many changes at once share a few writes, and the newest is on disk when the last has settled', async () => {
  const names = Array.from({ length: 50 }, (_, at) => `f${at}`)
  await keeper.setRoutes(table(5, ...names.map(name => route(name, [AWAKE]))))
  const served = await Promise.all(names.map((name, at) => keeper.setRoute(patch(5 + at, route(name, [FROZEN])))))
  await Promise.all(served.map(({ settled }) => settled))
  const saved = await onDisk()
  expect(saved.generation).toBe(55)
  expect(saved.routes.every(({ instances }) => instances[0]!.isFrozen === true)).toBe(true)
})

it('a channel brings a patch to every proxy, and says so if one serves another table', async () => {
  const other = new RouteKeeper({ file: undefined, serve: () => undefined })
  const dispatcher = { setRoutes: async () => undefined }
  const channel = new PushChannel({ proxies: [client, other], dispatchers: [dispatcher] })
  await channel.publish(table(5, route('a', [AWAKE])))
  await (
    await channel.publishOne(patch(5, route('a', [FROZEN])))
  ).settled
  expect([keeper.generation, other.generation]).toEqual([6, 6])
  await other.setRoutes(table(9, route('a', [AWAKE])))
  await expect(channel.publishOne(patch(6, route('a', [AWAKE])))).rejects.toBeInstanceOf(StaleTableError)
})
