/** A scaler with a real fleet, queue and reconciler, over an engine and proxies that are all in memory. Its time is fake. */
import { setImmediate } from 'node:timers/promises'
import { vi } from 'vitest'
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

/** Containers and the routes of the proxy outlive agents. */
export class World {
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

export class Agent {
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

export async function pass(ms: number): Promise<void> {
  const stepMs = Math.max(250, ms / 10)
  for (let left = ms; left > 0; left -= stepMs) {
    await vi.advanceTimersByTimeAsync(Math.min(stepMs, left))
    await settle()
  }
}

export async function worldWith(fields: object, running = 1, maxInstances = 100): Promise<World> {
  const world = new World(fields, maxInstances)
  for (let count = 0; count < running; count += 1) world.add()
  await world.agent.start()
  return world
}
