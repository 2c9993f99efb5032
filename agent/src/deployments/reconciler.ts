/**
 * Makes what is running match the state. For each deployment: dead instances are replaced (with backoff), surplus and
 * outdated ones drained, live ones found ready and published, frozen ones left asleep unless more should be awake; those
 * that are leaving end when others serve; what belongs to no deployment is removed.
 * Runs after every event of the engine, at start, and when a backoff has passed; running it twice changes nothing.
 *
 * Invariant: an instance that the engine does not list as running at the address we know is in no route before anything
 * else happens: its address may belong to another function by then.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Engine, Instance } from '../engines/index.ts'
import type { KeyedQueue } from '../host/index.ts'
import { activeVersion, type DeploymentRecord, type StateStore, type VersionRecord } from './state/index.ts'
import type { Fleet } from './fleet.ts'
import type { Instances } from './instances.ts'
import type { RoutePublisher } from './route-publisher.ts'
import { scaleOfRecord, type Sleep } from './scaling/index.ts'

const LOOK_AGAIN_MS = 1_000
/** For instances from before this agent: they were serving a moment ago, and busy is not dead. */
const ADOPT_MS = 5_000
const ASK_AGAIN_MS = 50

export interface ReconcilerOptions {
  engine: Engine
  state: StateStore
  fleet: Fleet
  instances: Instances
  sleep: Sleep
  publisher: RoutePublisher
  queue: KeyedQueue
  /** Whether it is ready. */
  isHealthy: (instance: Instance) => Promise<boolean>
  onChange: (name: string) => void
  log: { warn(details: object, message: string): void }
}

export class Reconciler {
  readonly #options: ReconcilerOptions
  readonly #timers = new Map<string, NodeJS.Timeout>()
  readonly #abort = new AbortController()
  #pass: Promise<void> | undefined
  #again = false
  #isAdopting = false
  /** Known to be ready, and not yet promoted. */
  readonly #adopted = new Set<string>()

  constructor(options: ReconcilerOptions) {
    this.#options = options
  }

  /**
   * The first round, before routes are published: patient with slow instances.
   * @param onKnown all that serve are known; the rest is yet to be done
   * @throws RyoFaasError of the engine, if it does not say what runs
   */
  async adopt(onKnown: () => void = () => undefined): Promise<void> {
    this.#isAdopting = true
    // All that serve are known before the first table is published: one of a function that is done early would take
    // the others away from proxies that serve them.
    await this.#adoptServing().finally(() => (this.#isAdopting = false))
    onKnown()
    await this.all()
    this.#adopted.clear()
  }

  async #adoptServing(): Promise<void> {
    const { state, fleet } = this.#options
    const listed = await this.#look()
    const serving = listed.filter(({ id, route, version, state: { kind } }) => {
      return kind === 'running' && !fleet.isDraining(id) && state.deployment(route)?.active === version
    })
    await this.#markReady(serving)
    for (const { id } of serving) if (fleet.isReady(id)) this.#adopted.add(id)
  }

  /** Runs a full round; calls during a round share one further round. */
  all(): Promise<void> {
    if (this.#pass) {
      this.#again = true
      return this.#pass
    }
    this.#pass = this.#rounds().finally(() => (this.#pass = undefined))
    return this.#pass
  }

  /** For callers that already hold the queue of `route`. Resolves once its instances are ready or have failed. */
  async route(route: string): Promise<void> {
    const { engine, state, fleet, instances } = this.#options
    if (this.#abort.signal.aborted) return
    const record = state.deployment(route)
    const version = record && activeVersion(record)
    const found = (await this.#look(route)).filter(({ id }) => !fleet.isDraining(id))
    const dead = found.filter(instance => instance.state.kind === 'exited')
    const isOfVersion = (instance: Instance) => instance.version === version?.version
    const isCurrent = (instance: Instance) => isOfVersion(instance) && instance.isLeaving !== true
    const running = found.filter(instance => instance.state.kind === 'running')
    const asleep = found.filter(instance => instance.state.kind === 'frozen')
    const max = record ? scaleOfRecord(record).max : 0
    const wanted = record ? this.#wanted(record, found.filter(isOfVersion)) : 0

    const awake = running.filter(isCurrent)
    const { woken, resting } = await this.#wake(asleep.filter(isCurrent), wanted - awake.length)
    const current = [...awake, ...woken]
    // They serve until others do.
    const leaving = running.filter(instance => isOfVersion(instance) && instance.isLeaving)
    const isAdopted = current.some(({ id }) => this.#adopted.has(id))
    const newly = (await this.#markReady([...current, ...leaving])) || isAdopted
    await this.#bury(record?.name ?? route, dead)
    const surplus = current.slice(max)
    const outdated = [...running, ...asleep].filter(
      instance => !isCurrent(instance) && !leaving.includes(instance) && !this.#isKept(record, instance, asleep),
    )
    await instances.retire([...outdated, ...surplus, ...resting.slice(Math.max(0, max - current.length))], version)

    const missing = wanted - (current.length - surplus.length)
    const refilled = record && version && missing > 0 ? await this.#refill(record, version, missing) : false
    const serving = fleet.ready(route).filter(isCurrent).length
    if (leaving.length > 0 && serving >= wanted) await instances.retire(leaving, version)
    // Perhaps too busy to answer: nothing else would try again.
    const isSilent = current.some(instance => !surplus.includes(instance) && !fleet.isReady(instance.id))
    if (isSilent) this.#later(route, LOOK_AGAIN_MS)
    if (newly || dead.length > 0 || refilled) {
      await this.#options.publisher.publish()
      const first = fleet.ready(route)[0]
      if (first) await engine.promote?.(first.id)
      this.#options.onChange(record?.name ?? route)
    }
  }

  /**
   * How many are to be awake: as many as before, or as are now, if that is more. What has just died was awake; for
   * an agent that has just begun, so was everything that is not frozen.
   */
  #wanted(record: DeploymentRecord, current: Instance[]): number {
    const { fleet } = this.#options
    const scale = scaleOfRecord(record)
    const known = fleet.wanted(record.route)
    const isUp = ({ state }: Instance) => state.kind === 'running' || (known === undefined && state.kind === 'exited')
    const wanted = Math.min(scale.max, Math.max(scale.min, known ?? 0, current.filter(isUp).length))
    fleet.want(record.route, wanted)
    return wanted
  }

  /** Wakes as many as are missing; the others are left asleep. */
  async #wake(asleep: Instance[], missing: number): Promise<{ woken: Instance[]; resting: Instance[] }> {
    const { fleet, sleep } = this.#options
    const chosen = asleep.slice(0, Math.max(0, missing))
    const woken = await Promise.all(chosen.map(instance => sleep.thaw(instance)))
    const resting = asleep.slice(chosen.length)
    for (const instance of resting) if (!fleet.isFrozen(instance.id)) fleet.markFrozen(instance, performance.now())
    return { woken: woken.filter(instance => instance !== undefined), resting }
  }

  /** Frozen ones of one earlier version wait for a rollback. */
  #isKept(record: DeploymentRecord | undefined, instance: Instance, asleep: Instance[]): boolean {
    const { fleet } = this.#options
    if (record === undefined || instance.isLeaving || !asleep.includes(instance)) return false
    if (fleet.isKept(instance.id)) return true
    const others = asleep.filter(({ version }) => version !== record.active)
    const isNewest = others.every(({ version }) => version <= instance.version)
    if (!isNewest || fleet.kept(record.route).length > 0) return false
    fleet.markKept(instance, performance.now())
    return true
  }

  close(): void {
    this.#abort.abort()
    for (const timer of this.#timers.values()) clearTimeout(timer)
  }

  async #rounds(): Promise<void> {
    do {
      this.#again = false
      const { state, queue } = this.#options
      try {
        const listed = await this.#look()
        const routes = new Set([...listed.map(({ route }) => route), ...Object.keys(state.current.deployments)])
        await Promise.all([...routes].map(route => queue.run(route, () => this.route(route))))
      } catch (error) {
        // Docker may be down: its watch calls us again when it is back.
        this.#options.log.warn({ err: error }, 'reconciling failed')
      }
    } while (this.#again && !this.#abort.signal.aborted)
  }

  /**
   * What the engine lists, of one route or of all. Before this resolves, instances that were ready but are not listed
   * as running at their address leave the routes. No queue is needed: ready ones are read before the engine is asked.
   */
  async #look(wanted?: string): Promise<Instance[]> {
    const { engine, state, fleet, publisher, log, onChange } = this.#options
    const known = [...fleet.ready(wanted), ...fleet.frozen(wanted)]
    const listed = await engine.instances(wanted)
    const lost = known.filter(instance => !listed.some(other => isSamePlace(instance, other)))
    const taken = lost.filter(({ id }) => fleet.unmark(id))
    // Frozen from outside: it can be woken.
    const asleep = listed.filter(({ id, state }) => state.kind === 'frozen' && taken.some(other => other.id === id))
    for (const instance of asleep) fleet.markFrozen(instance, performance.now())
    if (taken.length > 0) await publisher.publish()
    for (const { id, route } of taken) {
      if (listed.some(other => other.id === id)) continue
      fleet.noteExit(route, { at: new Date().toISOString(), code: null, reason: 'was removed from outside' })
      log.warn({ route, instance: id }, 'an instance was removed from outside')
      onChange(state.deployment(route)?.name ?? route)
    }
    return listed
  }

  /** Returns whether any became newly ready. */
  async #markReady(current: Instance[]): Promise<boolean> {
    const { fleet } = this.#options
    const unknown = current.filter(({ id }) => !fleet.isReady(id))
    const healthy = await Promise.all(unknown.map(instance => this.#answers(instance)))
    unknown.filter((_, index) => healthy[index]).forEach(instance => fleet.markReady(instance))
    return healthy.some(Boolean)
  }

  async #answers(instance: Instance): Promise<boolean> {
    const deadline = performance.now() + (this.#isAdopting ? ADOPT_MS : 0)
    for (;;) {
      if (await this.#options.isHealthy(instance)) return true
      if (this.#abort.signal.aborted || performance.now() > deadline) return false
      await delay(ASK_AGAIN_MS)
    }
  }

  async #bury(name: string, dead: Instance[]): Promise<void> {
    const { engine, fleet } = this.#options
    for (const { id, route, state, isLeaving } of dead) {
      if (state.kind !== 'exited') continue
      // What was told to leave, and did, is no failure.
      if (!(isLeaving === true && state.code === 0)) {
        fleet.backoff(route).died(performance.now())
        fleet.noteExit(route, { at: state.at, code: state.code, reason: state.reason })
        this.#options.log.warn({ deployment: name, instance: id, code: state.code }, `an instance ${state.reason}`)
      }
      await engine.stop(id, 0)
    }
  }

  async #refill(record: DeploymentRecord, version: VersionRecord, missing: number): Promise<boolean> {
    const { fleet, instances, log } = this.#options
    const backoff = fleet.backoff(record.route)
    const wait = backoff.nextStart(performance.now()) - performance.now()
    if (wait > 0) {
      this.#later(record.route, wait)
      return false
    }
    backoff.started(performance.now())
    try {
      const started = await instances.start(record, version, { count: missing, signal: this.#abort.signal })
      started.forEach(instance => fleet.markReady(instance))
      return true
    } catch (error) {
      if (this.#abort.signal.aborted) return false
      backoff.died(performance.now())
      fleet.noteExit(record.route, { at: new Date().toISOString(), code: null, reason: (error as Error).message })
      log.warn({ deployment: record.name, err: error }, 'an instance could not be restarted')
      this.#later(record.route, Math.max(1, backoff.nextStart(performance.now()) - performance.now()))
      return true
    }
  }

  #later(route: string, delayMs: number): void {
    clearTimeout(this.#timers.get(route))
    const timer = setTimeout(() => void this.all(), delayMs)
    timer.unref()
    this.#timers.set(route, timer)
  }
}

/** What is thought to be frozen may run: nobody sends anything there. */
function isSamePlace(known: Instance, other: Instance): boolean {
  if (known.id !== other.id || known.state.kind === 'exited' || other.state.kind === 'exited') return false
  if (known.state.kind === 'running' && other.state.kind === 'frozen') return false
  const [a, b] = [known.state.address, other.state.address]
  return a.host === b.host && a.port === b.port
}
