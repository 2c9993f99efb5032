/** The scaler with a real fleet, queue and reconciler, over an engine and proxies that are all in memory. */
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DeployEntry, RyoFaasError } from '../../contract/index.ts'
import type { Engine, Instance } from '../../engines/index.ts'
import { KeyedQueue } from '../../host/index.ts'
import type { QueueLine } from '../../services/dispatcher/index.ts'
import type { Demand } from '../../services/proxy/index.ts'
import { deployedRoute } from '../deployed-route.ts'
import { Fleet } from '../fleet.ts'
import type { Instances } from '../instances.ts'
import { Reconciler } from '../reconciler.ts'
import type { RoutePublisher } from '../route-publisher.ts'
import type { DeploymentRecord, StateStore } from '../state/index.ts'
import { Scaler, type ColdStart } from './scaler.ts'
import { Sleep } from './sleep.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

/** Containers and the routes of the proxy outlive agents. */
class World {
  readonly instances = new Map<string, Instance>()
  /** Ids that the proxy would choose. */
  chosen: string[] = []
  unavailable: string | undefined
  record: DeploymentRecord
  /** What happened, in order. */
  readonly log: string[] = []
  mayRest = true
  readonly maxInstances: number
  canThaw = true
  canStart = true
  onStart: () => void = () => undefined
  agent: Agent
  #count = 0

  constructor(fields: object, maxInstances: number) {
    this.maxInstances = maxInstances
    const config = DeployEntry.parse({ name: 'Fn', packageDir: '/w', filePath: '/w/a.ts', ...fields })
    const versions = [{ version: 1, kind: 'http', protocol: 2, config }]
    const nothing = { subscriptions: {}, pausedSchedules: [] }
    this.record = { name: 'Fn', route: 'fn', active: 1, versions, ...nothing } as unknown as DeploymentRecord
    this.agent = new Agent(this)
  }

  add(kind: 'running' | 'frozen' = 'running'): Instance {
    const id = `i${++this.#count}`
    const state = { kind, address: { host: '127.0.0.1', port: this.#count } }
    const instance: Instance = { id, route: 'fn', version: 1, name: id, startedAt: '', state }
    this.instances.set(id, instance)
    return instance
  }

  turn(id: string, kind: 'running' | 'frozen'): void {
    const found = this.instances.get(id)
    if (found === undefined || found.state.kind === 'exited') return
    this.instances.set(id, { ...found, state: { kind, address: found.state.address } })
    this.log.push(`${kind} ${id}`)
  }

  kinds(): string[] {
    return [...this.instances.values()].map(({ state }) => state.kind)
  }

  /** Another agent in the place of this one. */
  async restart(): Promise<void> {
    this.agent.end()
    this.agent = new Agent(this)
    await this.agent.start()
  }
}

class Agent {
  readonly fleet = new Fleet()
  readonly scaler: Scaler
  readonly coldStarts: ColdStart[] = []
  /** Steps until it dies; each touches the world or the proxy. */
  stepsLeft = Infinity
  isDead = false
  readonly #world: World
  readonly #reconciler: Reconciler
  readonly #demand = new Lines<Demand>()
  readonly #queues = new Lines<QueueLine>()
  readonly #publish: () => Promise<unknown>

  constructor(world: World) {
    this.#world = world
    const { fleet } = this
    const queue = new KeyedQueue()
    const engine = {
      instances: () => this.#step(() => [...world.instances.values()]),
      stop: (id: string) => this.#step(() => void (world.instances.delete(id), world.log.push(`stopped ${id}`))),
      freeze: {
        freeze: (id: string) => this.#step(() => world.turn(id, 'frozen')),
        thaw: (id: string) =>
          this.#step(() => {
            if (!world.canThaw) throw new RyoFaasError('ENGINE_FAILED', 'no')
            world.turn(id, 'running')
          }),
      },
    } as unknown as Engine
    const publish = () =>
      this.#step(() => {
        const serving = { ready: fleet.ready('fn'), frozen: fleet.frozen('fn'), unavailable: fleet.unavailable('fn') }
        const { instances, unavailable } = deployedRoute(world.record, { ...serving, isExposed: false })
        world.chosen = instances.filter(({ isFrozen }) => !isFrozen).map(({ id }) => id)
        world.unavailable = unavailable
        for (const id of world.chosen)
          if (world.instances.get(id)?.state.kind === 'frozen') world.log.push(`hangs ${id}`)
        return { settled: Promise.resolve() }
      })
    this.#publish = publish
    const publisher = { publish, publishOne: publish } as unknown as RoutePublisher
    const state = {
      deployment: () => world.record,
      current: { deployments: { fn: world.record } },
    } as unknown as StateStore
    const isHealthy = async ({ id }: Pick<Instance, 'id'>) => world.instances.get(id)?.state.kind === 'running'
    const sleep = new Sleep({
      ...{ engine, fleet, publisher, isHealthy, log: { warn: () => undefined } },
      mayRest: () => this.#step(() => world.mayRest),
    })
    const instances = {
      start: async (_record: unknown, _version: unknown, { count }: { count: number }) => {
        world.onStart()
        if (!world.canStart) throw new RyoFaasError('START_FAILED', 'Fn did not start: it threw')
        return this.#step(() => Array.from({ length: count }, () => world.add()))
      },
      retire: async (retired: Instance[]) => {
        for (const { id } of retired) await engine.stop(id, 0)
      },
    } as unknown as Instances
    const shared = { engine, fleet, queue, state, sleep, instances, publisher }
    const told = { onChange: () => undefined, log: { warn: () => undefined }, isHealthy }
    this.scaler = new Scaler({
      ...{ ...shared, ...told },
      sources: {
        proxies: [{ name: 'proxy', demand: (signal, onOpen) => this.#demand.follow(signal, onOpen) }],
        dispatchers: [{ name: 'dispatcher', queues: (signal, onOpen) => this.#queues.follow(signal, onOpen) }],
      },
      maxInstances: world.maxInstances,
      onColdStart: (_name, kind) => void this.coldStarts.push(kind),
    })
    this.#reconciler = new Reconciler({ ...shared, ...told })
  }

  async start(): Promise<void> {
    // Health is that of the world: nothing listens here.
    for (const instance of this.#world.instances.values())
      if (instance.state.kind === 'running') this.fleet.markReady(instance)
    await this.#reconciler.adopt()
    await this.#publish()
    this.scaler.start()
    await settle()
  }

  async hears(line: Partial<Demand>): Promise<void> {
    this.#demand.push({ name: 'fn', inflight: 0, waiting: 0, calls: 0, ...line })
    await settle()
  }

  async hearsOfQueue(line: Partial<QueueLine>): Promise<void> {
    this.#queues.push({ name: 'fn', calls: 0, waiting: 0, ageMs: 0, ...line })
    await settle()
  }

  /** The dispatcher dies, or is there again. */
  async loses(isLost: boolean): Promise<void> {
    const heard = new Promise<void>(resolve => (this.#queues.onHeard = resolve))
    this.#queues.isLost = isLost
    this.#queues.wake()
    if (!isLost) await heard
    await settle()
  }

  end(): void {
    this.isDead = true
    this.scaler.close()
    this.#reconciler.close()
  }

  /** A dead agent does nothing more, and hears nothing of it. */
  #step<T>(act: () => T): Promise<T> {
    if (this.stepsLeft-- <= 0) this.isDead = true
    if (this.isDead) return new Promise(() => undefined)
    return Promise.resolve().then(act)
  }
}

/** What a proxy or a dispatcher tells. */
class Lines<Line> {
  isLost = false
  onHeard: () => void = () => undefined
  wake: () => void = () => undefined
  readonly #lines: Line[] = []

  push(line: Line): void {
    this.#lines.push(line)
    this.wake()
  }

  async *follow(signal: AbortSignal, onOpen: () => void): AsyncGenerator<Line> {
    if (this.isLost) return
    onOpen()
    this.onHeard()
    while (!signal.aborted && !this.isLost) {
      const line = this.#lines.shift()
      if (line !== undefined) yield line
      else
        await new Promise<void>(resolve => {
          this.wake = resolve
          signal.addEventListener('abort', () => resolve())
        })
    }
  }
}

/** Everything that needs no time has happened. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await setImmediate()
}

async function pass(ms: number): Promise<void> {
  const stepMs = Math.max(250, ms / 10)
  for (let left = ms; left > 0; left -= stepMs) {
    await vi.advanceTimersByTimeAsync(Math.min(stepMs, left))
    await settle()
  }
}

async function worldWith(fields: object, running = 1, maxInstances = 100): Promise<World> {
  const world = new World(fields, maxInstances)
  for (let count = 0; count < running; count += 1) world.add()
  await world.agent.start()
  return world
}

const SCALE = { scale: { idleMs: 1_000, keepMs: 10_000, max: 4 }, concurrency: 50 }

test('an idle instance is frozen after the routes no longer have it, and goes after a while', async () => {
  const world = await worldWith(SCALE)
  await pass(999)
  expect(world.kinds()).toEqual(['running'])
  await pass(2)
  expect([world.kinds(), world.chosen, world.log]).toEqual([['frozen'], [], ['frozen i1']])
  await pass(10_000)
  expect(world.kinds()).toEqual([])
})

test('calls keep it awake, and so does one that goes on', async () => {
  const world = await worldWith(SCALE)
  await pass(900)
  await world.agent.hears({ calls: 1 })
  await pass(900)
  await world.agent.hears({ inflight: 1, calls: 1 })
  await pass(5_000)
  expect(world.kinds()).toEqual(['running'])
  await world.agent.hears({})
  await pass(2_000)
  expect(world.kinds()).toEqual(['frozen'])
})

test('one that says it is busy stays in the routes, and is asked again after another while', async () => {
  const world = await worldWith(SCALE)
  world.mayRest = false
  await pass(1_001)
  expect([world.kinds(), world.chosen]).toEqual([['running'], ['i1']])
  world.mayRest = true
  await pass(1_001)
  expect(world.kinds()).toEqual(['frozen'])
})

test('a call that waits thaws it, once for all that wait, and it is chosen only after that', async () => {
  const world = await worldWith(SCALE)
  await pass(1_001)
  for (let waiting = 1; waiting <= 5; waiting += 1) await world.agent.hears({ waiting })
  expect([world.chosen, world.agent.coldStarts]).toEqual([['i1'], ['thaw']])
  expect(world.log).toEqual(['frozen i1', 'running i1'])
})

test('a hundred first calls get two instances where each takes fifty', async () => {
  const world = await worldWith(SCALE, 0)
  await world.agent.hears({ waiting: 100 })
  await world.agent.hears({ inflight: 100 })
  expect([world.chosen, world.agent.coldStarts]).toEqual([
    ['i1', 'i2'],
    ['new', 'new'],
  ])
})

test('frozen ones wake before others are started, and never more than the most', async () => {
  const world = await worldWith(SCALE)
  await pass(1_001)
  await world.agent.hears({ waiting: 1_000 })
  expect([world.chosen.length, world.agent.coldStarts]).toEqual([4, ['thaw', 'new', 'new', 'new']])
})

test('a queue that is deep for long gets more instances, twice as many each time, and none sleeps while it has calls', async () => {
  const world = await worldWith(SCALE)
  const deep = { calls: 500, waiting: 490, ageMs: 3_000 }
  await world.agent.hears({ inflight: 10, calls: 10 })
  await world.agent.hearsOfQueue({ ...deep, ageMs: 200 })
  expect(world.chosen).toHaveLength(1)
  const awake: number[] = []
  for (let line = 0; line < 3; line += 1) {
    await world.agent.hearsOfQueue(deep)
    awake.push(world.chosen.length)
  }
  expect(awake).toEqual([2, 4, 4])
  await world.agent.hearsOfQueue({ calls: 1 })
  // It waits for another attempt.
  await world.agent.hears({})
  await pass(60_000)
  expect(world.chosen.length).toBeGreaterThan(0)
  await world.agent.hearsOfQueue({ calls: 0 })
  await pass(2_001)
  expect(world.chosen).toEqual([])
})

test('nothing sleeps while a dispatcher is not heard', async () => {
  const world = await worldWith(SCALE)
  await world.agent.loses(true)
  await pass(60_000)
  expect(world.kinds()).toEqual(['running'])
  await world.agent.loses(false)
  await pass(2_001)
  expect(world.kinds()).toEqual(['frozen'])
})

test('a further instance that cannot be had is not tried again at every word of a proxy', async () => {
  const world = await worldWith(SCALE)
  const tries = { count: 0 }
  world.onStart = () => void (tries.count += 1)
  world.canStart = false
  for (let line = 0; line < 5; line += 1) await world.agent.hears({ inflight: 100 })
  expect(tries.count).toBe(1)
  await pass(1_001)
  world.canStart = true
  await world.agent.hears({ inflight: 101 })
  expect(world.chosen).toHaveLength(3)
})

test('a machine that runs all it may starts no more, and says so to calls that find none', async () => {
  const world = await worldWith(SCALE, 0, 2)
  await world.agent.hears({ waiting: 1_000 })
  expect(world.chosen).toHaveLength(2)
  const full = await worldWith(SCALE, 0, 1)
  const other: Instance = { ...full.add(), id: 'other', route: 'other' }
  full.agent.fleet.markReady(other)
  await full.agent.hears({ waiting: 1 })
  expect([full.chosen, full.unavailable]).toEqual([[], 'Fn: this machine runs its 1 instances'])
  // One that is idle makes room.
  await pass(100)
  await full.agent.hears({ waiting: 1 })
  expect([full.chosen.length, full.agent.fleet.ready('other')]).toEqual([1, []])
})

test('they become fewer one by one while there are calls, and all sleep when there are none', async () => {
  const world = await worldWith(SCALE)
  await world.agent.hears({ waiting: 150, inflight: 50 })
  await world.agent.hears({ inflight: 1, calls: 200 })
  expect(world.chosen).toHaveLength(4)
  const awake: number[] = []
  for (let second = 0; second < 6; second += 1) {
    await pass(1_000)
    await world.agent.hears({ inflight: 1, calls: 1 })
    awake.push(world.chosen.length)
  }
  expect(awake).toEqual(awake.toSorted((a, b) => b - a))
  expect(awake.at(-1)).toBe(1)
  await world.agent.hears({})
  await pass(2_001)
  expect(world.chosen).toEqual([])
})

test('what always runs is never frozen', async () => {
  const world = await worldWith({ instances: 2 }, 2)
  await pass(3_600_000)
  expect(world.kinds()).toEqual(['running', 'running'])
})

test('one that does not thaw is replaced', async () => {
  const world = await worldWith(SCALE)
  await pass(1_001)
  world.canThaw = false
  await world.agent.hears({ waiting: 1 })
  expect([world.chosen, world.agent.coldStarts]).toEqual([['i2'], ['new']])
  expect(world.log).toContain('stopped i1')
})

test('a wake that fails tells those who wait why, and the next call tries again', async () => {
  const world = await worldWith(SCALE, 0)
  world.canStart = false
  await world.agent.hears({ waiting: 1 })
  expect(world.unavailable).toBe('Fn did not start: it threw')
  await world.agent.hears({})
  world.canStart = true
  await world.agent.hears({ waiting: 1 })
  expect([world.chosen, world.unavailable]).toEqual([['i1'], undefined])
})

for (const doing of ['freezing', 'waking'] as const) {
  test(`an agent that died at any step of ${doing} is followed by one that wakes, sleeps and forgets nothing`, async () => {
    for (let steps = 0; steps < 15; steps += 1) {
      const world = await worldWith(SCALE)
      if (doing === 'waking') await pass(1_001)
      world.agent.stepsLeft = steps
      if (doing === 'waking') await world.agent.hears({ waiting: 60 })
      else await pass(1_001)
      await world.restart()
      await world.agent.hears({ waiting: 1 })
      expect(world.chosen.length, `after step ${steps}`).toBeGreaterThan(0)
      expect(world.chosen.map(id => world.instances.get(id)?.state.kind)).not.toContain('frozen')
      await world.agent.hears({})
      await pass(4_000)
      expect([world.chosen, new Set(world.kinds())]).toEqual([[], new Set(['frozen'])])
      await pass(12_000)
      expect(world.kinds()).toEqual([])
      expect(world.log.filter(line => line.startsWith('hangs'))).toEqual([])
      world.agent.end()
    }
  })
}
