/** The shared table over a real nats-server, as a channel of routes and by itself. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ensureStreams, purge, routesSubject, STREAMS, type Bus } from '../../bus/index.ts'
import { managerOf, startNats, type TestNats } from '../../bus/testing/nats-server.ts'
import { untilTrue } from '../../../test/support/until.ts'
import { PushChannel, RouteKeeper, RouteTable, type Route, type RouteInput } from '../index.ts'
import {
  routeChannelContract,
  type ChannelUnderTest,
  type ReaderKind,
  type TestReader,
} from '../testing/route-channel-contract.ts'
import { Sealer } from './sealer.ts'
import { TableFollower } from './table-follower.ts'
import { NotReachedError, TableWriter } from './table-writer.ts'

const KEY = 'k'.repeat(43)
let nats: TestNats
let folder: string
beforeAll(async () => {
  ;[nats, folder] = await Promise.all([startNats(), mkdtemp(join(tmpdir(), 'shared-table-'))])
  await ensureStreams(await nats.connect())
})
afterAll(async () => {
  await nats.stop()
  await rm(folder, { recursive: true })
})
const empty = async (bus: Bus) => void (await purge(bus, STREAMS.routes, { subject: routesSubject('>') }))

let count = 0

/** A proxy: a keeper with a copy on disk that follows the table. */
class Follower implements TestReader {
  readonly id = `proxy-${++count}`
  readonly troubles: string[] = []
  readonly served: RouteTable[] = []
  readonly settings: unknown[] = []
  readonly #onServed: (generation: number) => void
  readonly #key: string
  #keeper: RouteKeeper | undefined
  #bus: Bus | undefined
  #follower: TableFollower | undefined

  constructor(onServed: (generation: number) => void = () => undefined, key = KEY) {
    this.#onServed = onServed
    this.#key = key
  }

  get generation(): number {
    return this.#keeper!.generation
  }

  get last(): RouteTable {
    return this.#keeper!.current!
  }

  take(table: RouteTable): Promise<void> {
    return this.#keeper!.setRoutes(table)
  }

  /** As if its machine had lost power. */
  async leave(): Promise<void> {
    await this.#bus?.close()
    await this.#follower?.close()
    await this.#keeper?.close()
  }

  async stop(): Promise<void> {
    await this.#follower?.close()
    await this.#bus?.close()
  }

  async comeBack(): Promise<void> {
    const serve = (table: RouteTable) => {
      this.served.push(table)
      this.#onServed(table.generation)
    }
    const keeper = new RouteKeeper({ file: join(folder, `${this.id}.json`), serve })
    await keeper.load()
    this.#keeper = keeper
    this.#bus = await nats.connect(this.id)
    this.#follower = new TableFollower({
      ...{ bus: this.#bus, sealer: new Sealer(this.#key), reader: keeper },
      about: { id: this.id, machine: 'm', address: '127.0.0.1:1', pid: 1, version: '1', startedAt: Date.now() },
      onSettings: settings => void this.settings.push(settings),
      onTrouble: reason => void this.troubles.push(reason),
    })
  }
}

async function writerOf(
  bus: Bus,
  settings: object = {},
  isKept = false,
): Promise<TableWriter & { troubles: string[] }> {
  const troubles: string[] = []
  const onTrouble = (reason: string) => void troubles.push(reason)
  const writer = new TableWriter({ bus, sealer: new Sealer(KEY), settings, isKept, onTrouble })
  return Object.assign(writer, { troubles })
}

async function following(writer: TableWriter, ...followers: Follower[]): Promise<void> {
  await Promise.all(followers.map(each => each.comeBack()))
  await untilTrue(() => writer.proxies.length === followers.length, 'the proxies are heard')
}

routeChannelContract('a shared table at NATS', async (): Promise<ChannelUnderTest> => {
  const bus = await nats.connect()
  await empty(bus)
  const taken: { kind: ReaderKind; generation: number }[] = []
  const writer = await writerOf(bus)
  const [a, b] = [0, 1].map(() => new Follower(generation => void taken.push({ kind: 'proxy', generation }))) as [
    Follower,
    Follower,
  ]
  await following(writer, a, b)
  const dispatcher = (): TestReader & RouteKeeper & { isAway: boolean } => {
    const keeper: RouteKeeper = new RouteKeeper({
      file: undefined,
      serve: ({ generation }) => void taken.push({ kind: 'dispatcher', generation }),
    })
    const setRoutes = keeper.setRoutes.bind(keeper)
    const reader = Object.assign(keeper, {
      isAway: false,
      setRoutes: async (table: RouteTable) => {
        if (reader.isAway) throw new Error('away')
        return setRoutes(table)
      },
      take: (table: RouteTable) => setRoutes(table),
      leave: async () => void (reader.isAway = true),
      comeBack: async () => void (reader.isAway = false),
    })
    return reader
  }
  const [c, d] = [dispatcher(), dispatcher()]
  const channel = new PushChannel({ proxies: [writer], dispatchers: [c, d] })
  return {
    channel,
    readers: { proxy: [a, b], dispatcher: [c, d] },
    taken,
    end: async () => {
      channel.close()
      await Promise.all([a.stop(), b.stop(), writer.close()])
    },
  }
})

describe('a shared table', () => {
  let bus: Bus
  const ends: (() => Promise<void>)[] = []
  beforeEach(async () => {
    bus = await nats.connect()
    await empty(bus)
    return async () => {
      for (const end of ends.splice(0).reverse()) await end()
    }
  })
  const writer = async (settings?: object, on = bus) => {
    const made = await writerOf(on, settings)
    ends.push(() => made.close())
    return made
  }
  const follower = (key?: string) => {
    const made = new Follower(undefined, key)
    ends.push(() => made.stop())
    return made
  }
  const storedBytes = async () => {
    const all: Buffer[] = []
    const info = await managerOf(bus).streams.info(STREAMS.routes, { subjects_filter: '>' })
    for (const subject of Object.keys(info.state.subjects ?? {})) {
      const { data } = await managerOf(bus).streams.getMessage(STREAMS.routes, { last_by_subj: subject })
      all.push(Buffer.from(data))
    }
    return { bytes: Buffer.concat(all), subjects: Object.keys(info.state.subjects ?? {}) }
  }

  it('nothing is written while nobody reads it; the first proxy gets what there is, and nobody else can read that', async () => {
    const agent = await writer({ access: 'operator-token' })
    await agent.setRoutes(tableWith(5, ['a', 'b']))
    expect((await storedBytes()).subjects).toEqual([])
    const [proxy, stranger] = [follower(), follower('s'.repeat(43))]
    await following(agent, proxy)
    await untilTrue(() => proxy.generation === 5, 'the table is served')
    expect(proxy.last.keys).toEqual([{ id: 'key5', name: 'shop', hash: 'h'.repeat(43) }])
    expect(proxy.last.secrets).toEqual({ 'session secret': 'hunter2hunter2' })
    expect(proxy.settings).toEqual([{ access: 'operator-token' }])
    const { bytes } = await storedBytes()
    for (const secret of ['hunter2', 'h'.repeat(43), 'operator-token']) expect(bytes.includes(secret)).toBe(false)
    await stranger.comeBack()
    await untilTrue(() => stranger.troubles.length > 0, 'it says that it has another key')
    expect([stranger.generation, stranger.served]).toEqual([-1, []])
  })

  it('what one agent published the next one finds whole, also without any proxy, or it finds nothing', async () => {
    const first = await writerOf(bus, {}, true)
    ends.push(() => first.close())
    await first.setRoutes(tableWith(5, ['a', 'b']))
    const [a] = tableWith(0, ['a']).routes
    await (
      await first.setRoute({ base: 5, generation: 6, route: { ...a!, version: 7 } })
    ).settled
    const next = await writer()
    const found = await next.lastTable()
    expect([found?.generation, found?.routes.map(({ name, version }) => `${name}${version}`)]).toEqual([
      6,
      ['a7', 'b1'],
    ])
    expect(found?.keys?.map(({ id }) => id)).toEqual(['key5'])
    // As if it had died between an entry and the head.
    await bus.publish(routesSubject('route.b'), new Uint8Array())
    expect(await next.lastTable()).toBeUndefined()
    await empty(bus)
    expect(await next.lastTable()).toBeUndefined()
  })

  it('a key that is revoked is gone from all proxies when the publication resolves', async () => {
    const agent = await writer()
    const all = [follower(), follower(), follower()]
    await following(agent, ...all)
    await agent.setRoutes(tableWith(5, ['a']))
    expect(all.map(({ last }) => last.keys?.length)).toEqual([1, 1, 1])
    await agent.setRoutes({ ...tableWith(6, ['a']), keys: [] })
    expect(all.map(({ last }) => last.keys)).toEqual([[], [], []])
    expect(agent.behind()).toEqual([])
  })

  it('a route that no message can hold arrives in pieces, keeps no other from anybody, and may change and shrink', async () => {
    const agent = await writer({ callbackAllow: 'ä'.repeat(1024 * 1024) })
    const [proxy, late] = [follower(), follower()]
    await following(agent, proxy)
    const [small, large] = tableWith(0, ['a', 'b']).routes as [Route, Route]
    large.paths = { http: [randomBytes(1024 * 1024).toString('base64'), '🦊'.repeat(300_001)], async: [] }
    await agent.setRoutes({ ...tableWith(5, []), routes: [small, large] })
    expect(proxy.last.routes).toEqual([small, large])
    expect((await storedBytes()).subjects.filter(subject => subject.includes('/')).length).toBeGreaterThan(10)
    const changed = { ...large, version: 7 }
    await (
      await agent.setRoute({ base: 5, generation: 6, route: changed })
    ).settled
    await (
      await agent.setRoute({ base: 6, generation: 7, route: { ...small, version: 8 } })
    ).settled
    await late.comeBack()
    await untilTrue(() => late.generation === 7, 'the table is served')
    for (const { last, settings } of [proxy, late]) {
      expect(last.routes).toEqual([{ ...small, version: 8 }, changed])
      expect(settings).toEqual([{ callbackAllow: 'ä'.repeat(1024 * 1024) }])
    }
    const shrunk = { ...large, paths: { http: ['/x'], async: [] } }
    await agent.setRoutes({ ...tableWith(8, []), routes: [shrunk] })
    expect([proxy, late].map(({ last }) => last.routes)).toEqual([[shrunk], [shrunk]])
    expect((await storedBytes()).bytes.length).toBeLessThan(100_000)
    expect([...agent.troubles, ...proxy.troubles, ...late.troubles]).toEqual([])
  })

  it('one route that changes is two messages, and is served as one route', async () => {
    const agent = await writer()
    const proxy = follower()
    await following(agent, proxy)
    await agent.setRoutes(tableWith(5, ['a', 'b', 'c']))
    const before = (await managerOf(bus).streams.info(STREAMS.routes)).state.last_seq
    const route = { ...tableWith(0, ['b']).routes[0]!, version: 7 }
    await (
      await agent.setRoute({ base: 5, generation: 6, route })
    ).settled
    expect((await managerOf(bus).streams.info(STREAMS.routes)).state.last_seq).toBe(before + 2)
    expect(proxy.last.routes.map(({ name, version }) => `${name}${version}`)).toEqual(['a1', 'b7', 'c1'])
    await expect(agent.setRoute({ base: 5, generation: 7, route })).rejects.toMatchObject({ generation: 6 })
    await agent.setRoutes(tableWith(8, ['c']))
    expect(proxy.last.routes.map(({ name }) => name)).toEqual(['c'])
  })

  it('thousands of routes, more than a message holds, arrive; a late proxy gets them too', async () => {
    const names = Array.from({ length: 4_000 }, (_, at) => `function-${at}`)
    const agent = await writer()
    const [first, late] = [follower(), follower()]
    await following(agent, first)
    await agent.setRoutes(tableWith(5, names))
    expect([first.generation, first.last.routes.length]).toEqual([5, 4_000])
    await late.comeBack()
    await untilTrue(() => late.generation === 5, 'the table is served')
    expect(new Set(late.last.routes.map(({ name }) => name))).toEqual(new Set(names))
  })

  it('a proxy that is lost is waited for once and named, and has the table when it is back', async () => {
    const agent = await writer()
    const [lost, other] = [follower(), follower()]
    await following(agent, lost, other)
    await agent.setRoutes(tableWith(5, ['a']))
    await lost.leave()
    const failure = await agent.setRoutes(tableWith(6, ['a'])).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(NotReachedError)
    expect((failure as NotReachedError).proxies.map(({ id }) => id)).toEqual([lost.id])
    expect(other.generation).toBe(6)
    // An agent that is started later knows of it, too.
    const next = await writer()
    await untilTrue(() => next.proxies.length === 2, 'it is remembered')
    await lost.comeBack()
    await untilTrue(() => lost.generation === 6 && agent.behind().length === 0, 'it catches up')
    await lost.stop()
    await untilTrue(() => agent.proxies.length === 1, 'one that stops is forgotten')
    await agent.setRoutes(tableWith(7, ['a']))
  })

  it('of two agents the one with the older table is told so, and tables do not mix', async () => {
    const proxy = follower()
    const [one, two] = [await writer(), await writer()]
    await following(one, proxy)
    await one.setRoutes(tableWith(5, ['a', 'b']))
    await two.setRoutes(tableWith(7, ['c']))
    await expect(one.setRoutes(tableWith(6, ['a', 'b', 'd']))).rejects.toMatchObject({
      name: 'StaleTableError',
      generation: 7,
    })
    await one.setRoutes(tableWith(8, ['a']))
    expect(proxy.last.routes.map(({ name }) => name)).toEqual(['a'])
    expect(proxy.served.map(({ routes }) => routes.map(({ name }) => name).join())).toEqual(['a,b', 'c', 'a'])
  })

  it('what others put there, or a part of a table, is not served; the next table mends it', async () => {
    const agent = await writer()
    const proxy = follower()
    await following(agent, proxy)
    await agent.setRoutes(tableWith(5, ['a', 'b']))
    const [old] = [await managerOf(bus).streams.getMessage(STREAMS.routes, { last_by_subj: routesSubject('route.b') })]
    await agent.setRoutes(tableWith(6, ['a']))
    // Put back, as it was sealed; and garbage.
    await bus.publish(routesSubject('route.b'), old.data)
    await bus.publish(routesSubject('route.a'), Buffer.alloc(1_000, 7))
    await bus.publish(routesSubject('nonsense.x.y'), Buffer.alloc(1_000, 7))
    const late = follower()
    await late.comeBack()
    await agent.setRoutes(tableWith(7, ['a'])).catch(() => undefined) // Its digest does not fit what is there.
    const next = await writer()
    await next.setRoutes(tableWith(8, ['a', 'c']))
    await untilTrue(() => proxy.generation === 8 && late.generation === 8, 'the table is mended')
    for (const { served } of [proxy, late]) {
      expect(served.some(({ generation, routes }) => generation > 5 && routes.some(({ name }) => name === 'b'))).toBe(
        false,
      )
    }
  })

  it('a server that is killed, and one that forgot everything, get the table again', async () => {
    const agent = await writer()
    const proxy = follower()
    await following(agent, proxy)
    await agent.setRoutes(tableWith(5, ['a']))
    await nats.kill()
    const late = agent.setRoutes(tableWith(6, ['b']))
    late.catch(() => undefined)
    await nats.start()
    await untilTrue(() => proxy.generation === 6, 'it is written when NATS is back')
    await managerOf(bus).streams.delete(STREAMS.routes)
    await ensureStreams(bus)
    await agent.setRoutes(tableWith(7, ['c'])).catch(() => undefined)
    await untilTrue(() => proxy.generation === 7, 'it is written again')
    expect(proxy.last.routes.map(({ name }) => name)).toEqual(['c'])
  })
})

function tableWith(generation: number, names: string[]): RouteTable {
  const routes = names.map((name): RouteInput => {
    return { name, displayName: name, version: 1, timeoutMs: 1_000, concurrency: 0, instances: [] }
  })
  const keys = [{ id: `key${generation}`, name: 'shop', hash: 'h'.repeat(43) }]
  return RouteTable.parse({ generation, routes, keys, secrets: { 'session secret': 'hunter2hunter2' } })
}
