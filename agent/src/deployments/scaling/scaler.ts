/**
 * Lets the number of instances follow the calls. It hears from the proxies what is in flight and what waits, and from the
 * dispatchers what is queued; it wakes or starts instances at once, and puts them to sleep when they are not needed.
 *
 * Invariants: 1. Everything it does to a deployment it does in the queue of its route. 2. While it does not hear from a
 * proxy or a dispatcher nothing is put to sleep, and what was unknown counts as a call. 3. A failed wake is told to the
 * calls that wait, and the next call tries again. 4. However many calls wait, there is one wake of a function at a time.
 * 5. After a further instance could not be had, there is no other attempt for a while: those that run serve the calls.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { AsyncPolicy, RyoFaasError } from '../../contract/index.ts'
import type { Engine, Instance } from '../../engines/index.ts'
import type { KeyedQueue } from '../../host/index.ts'
import type { QueueLine } from '../../services/dispatcher/index.ts'
import type { Demand } from '../../services/proxy/index.ts'
import { activeVersion, type DeploymentRecord, type StateStore } from '../state/index.ts'
import type { Fleet } from '../fleet.ts'
import type { Instances } from '../instances.ts'
import type { RoutePublisher } from '../route-publisher.ts'
import { traced } from '../traced.ts'
import { Load, wantedInstances, type LoadFigures } from './load.ts'
import { Looks } from './looks.ts'
import { isElastic, scaleOfRecord } from './scale-of.ts'
import type { Sleep } from './sleep.ts'

const RECONNECT_MS = 100
/** Invariant 5. */
const CALM_MS = 1_000

/** What woke or started an instance for calls that waited. */
export type ColdStart = 'thaw' | 'pool' | 'new'

/** A proxy that tells what is asked of functions. */
export interface DemandSource {
  name: string
  /** @param onOpen from here on nothing is missed */
  demand(signal: AbortSignal, onOpen: () => void): AsyncIterable<Demand>
}

/** A dispatcher that tells what is in the queues of functions. */
export interface QueueSource {
  name: string
  /** @param onOpen from here on nothing is missed */
  queues(signal: AbortSignal, onOpen: () => void): AsyncIterable<QueueLine>
}

interface Source<Line> {
  name: string
  follow(signal: AbortSignal, onOpen: () => void): AsyncIterable<Line>
  note(line: Line): void
}

export interface ScalerOptions {
  sources: { proxies: readonly DemandSource[]; dispatchers: readonly QueueSource[] }
  state: Pick<StateStore, 'deployment' | 'current'>
  fleet: Fleet
  queue: KeyedQueue
  sleep: Sleep
  instances: Pick<Instances, 'start' | 'retire'>
  publisher: Pick<RoutePublisher, 'publishOne'>
  engine: Pick<Engine, 'promote'>
  /** Of all functions together, that are awake. */
  maxInstances: number
  onChange: (name: string) => void
  onColdStart: (name: string, kind: ColdStart) => void
  log: { warn(details: object, message: string): void }
}

interface RaiseOptions {
  signal?: AbortSignal
  onAwake?: (kind: ColdStart) => void
  /** If one cannot be started, those that were are taken back. Default: only having none is a failure. */
  isAllOrNone?: boolean
}

export class Scaler {
  readonly #options: ScalerOptions
  readonly #loads = new Map<string, Load>()
  /** Proxies and dispatchers that are heard. */
  readonly #heard = new Set<string>()
  readonly #looks: Looks
  /** Instances on their way. */
  #starting = 0
  /** Routes that wait for their turn to grow. */
  readonly #growing = new Set<string>()
  /** By route, until when it gets no further instance. */
  readonly #calmUntil = new Map<string, number>()
  readonly #abort = new AbortController()

  constructor(options: ScalerOptions) {
    this.#options = options
    const { queue, log } = options
    this.#looks = new Looks({ queue, log, dueInMs: route => this.#dueInMs(route), look: route => this.#lookAt(route) })
    options.fleet.listen(route => this.#looks.arm(route))
  }

  start(): void {
    const { proxies, dispatchers } = this.#options.sources
    for (const proxy of proxies) {
      const { name } = proxy
      const follow: Source<Demand>['follow'] = (signal, onOpen) => proxy.demand(signal, onOpen)
      void this.#hear({ name, follow, note: line => this.#note(name, line) })
    }
    for (const dispatcher of dispatchers) {
      const { name } = dispatcher
      const follow: Source<QueueLine>['follow'] = (signal, onOpen) => dispatcher.queues(signal, onOpen)
      void this.#hear({ name, follow, note: line => this.#noteQueue(name, line) })
    }
  }

  close(): void {
    this.#abort.abort()
    this.#looks.close()
  }

  /** What runs is now wanted by something else than calls, so it sleeps no earlier than after another idle time. */
  touch(route: string): void {
    this.#load(route).touch(performance.now())
    this.#looks.arm(route)
  }

  forget(route: string): void {
    this.#loads.delete(route)
    this.#calmUntil.delete(route)
    this.#looks.forget(route)
  }

  /** Puts all to sleep that are idle, at once. The caller holds the queue. */
  async sleepNow(record: DeploymentRecord): Promise<void> {
    const { fleet } = this.#options
    for (const instance of fleet.ready(record.route)) await this.#lower(record, instance)
    fleet.want(record.route, fleet.ready(record.route).length)
  }

  /**
   * Has `count` instances of the active version awake: sleeping ones first. The caller holds the queue.
   * @throws RyoFaasError START_FAILED, if none could be started, CANCELLED, …
   */
  async raise(record: DeploymentRecord, count: number, options: RaiseOptions = {}): Promise<void> {
    const { fleet } = this.#options
    const { route } = record
    const lacking = count - fleet.ready(route).length
    if (lacking <= 0) return
    const missing = await this.#makeRoom(route, lacking)
    if (missing === 0 || (options.isAllOrNone === true && missing < lacking)) throw this.#full(record)
    fleet.markUnavailable(route, undefined)
    this.#starting += missing
    try {
      await this.#wakeOrStart(record, missing, options)
    } finally {
      this.#starting -= missing
    }
  }

  async #wakeOrStart(
    record: DeploymentRecord,
    missing: number,
    { signal = this.#abort.signal, onAwake, isAllOrNone = false }: RaiseOptions,
  ): Promise<void> {
    const { fleet, instances, sleep, publisher, log } = this.#options
    const { route, name } = record
    const publishReady = async (instance: Instance, kind: ColdStart) => {
      fleet.markReady(instance)
      onAwake?.(kind)
      await publisher.publishOne(route)
    }
    const sleeping = fleet.frozen(route).slice(0, missing)
    const woken = await Promise.all(
      sleeping.map(async instance => {
        const awake = await sleep.thaw(instance)
        if (awake !== undefined) await publishReady(awake, 'thaw')
        return awake
      }),
    )
    const toStart = missing - woken.filter(Boolean).length
    const outcomes = await Promise.allSettled(
      Array.from({ length: toStart }, async () => {
        const [started] = await instances.start(record, activeVersion(record), { count: 1, signal })
        await publishReady(started!, started!.origin ?? 'new')
        return started!
      }),
    )
    const failed = outcomes.find(outcome => outcome.status === 'rejected')
    if (failed === undefined) return
    if (isAllOrNone) {
      const started = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
      await instances.retire(started, activeVersion(record))
    }
    if (isAllOrNone || fleet.ready(route).length === 0) throw failed.reason
    log.warn({ deployment: name, err: failed.reason as Error }, 'a further instance could not be started')
  }

  /**
   * Functions that are idle give way to those that are called.
   * @returns how many more may run, at most `count`
   */
  async #makeRoom(route: string, count: number): Promise<number> {
    const { fleet, maxInstances, state, queue } = this.#options
    const room = () => maxInstances - fleet.ready().length - this.#starting
    const now = performance.now()
    const others = [...new Set(fleet.ready().map(instance => instance.route))]
      .filter(other => other !== route && this.#load(other).idleMs(now) > 0)
      .sort((a, b) => this.#load(b).idleMs(now) - this.#load(a).idleMs(now))
    for (const other of others) {
      if (room() >= count) break
      // Only where nothing else is going on: two functions that make room for each other would wait for ever.
      await queue.runIfFree(other, async () => {
        const record = state.deployment(other)
        if (record === undefined || !isElastic(scaleOfRecord(record))) return
        const spare = fleet.ready(other).slice(scaleOfRecord(record).min)
        if (this.#load(other).figures(performance.now()).waiting > 0) return
        for (const instance of spare) await this.#lower(record, instance)
        fleet.want(other, fleet.ready(other).length)
      })
    }
    return Math.max(0, Math.min(count, room()))
  }

  #full({ name }: DeploymentRecord): RyoFaasError {
    const { maxInstances } = this.#options
    return new RyoFaasError('START_FAILED', `${name}: this machine runs its ${maxInstances} instances`, {
      hint: 'More may run at the same time with startFaas --max-instances.',
    })
  }

  async #hear<Line>(source: Source<Line>): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      try {
        const onOpen = () => {
          this.#heard.add(source.name)
          this.#lost(source.name)
        }
        for await (const line of source.follow(signal, onOpen)) source.note(line)
      } catch {
        // It is down, or of a release that does not tell; it is asked again.
      }
      this.#heard.delete(source.name)
      this.#lost(source.name)
      await delay(RECONNECT_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  #lost(source: string): void {
    const now = performance.now()
    for (const load of this.#loads.values()) load.forget(source, now)
  }

  #note(proxy: string, line: Demand): void {
    this.#load(line.name).note(proxy, line, performance.now())
    this.#growIfWanted(line.name, line.waiting > 0)
  }

  /** A queued call wakes its function by itself, when a dispatcher takes it. */
  #noteQueue(dispatcher: string, line: QueueLine): void {
    this.#load(line.name).noteQueue(dispatcher, line, performance.now())
    this.#growIfWanted(line.name, false)
  }

  #growIfWanted(route: string, isWaitedFor: boolean): void {
    if (this.#growing.has(route)) return
    const record = this.#options.state.deployment(route)
    if (record === undefined || !isElastic(scaleOfRecord(record))) return
    const awake = this.#options.fleet.ready(route).length
    if (awake > 0 && performance.now() < (this.#calmUntil.get(route) ?? 0)) return
    if (this.#wanted(record) > awake || (isWaitedFor && awake === 0)) this.#grow(route)
  }

  #grow(route: string): void {
    const { queue } = this.#options
    this.#growing.add(route)
    void queue.run(route, async () => {
      this.#growing.delete(route)
      const record = this.#options.state.deployment(route)
      if (record === undefined || this.#abort.signal.aborted || !isElastic(scaleOfRecord(record))) return
      await this.#growTo(record, this.#wanted(record))
    })
  }

  async #growTo(record: DeploymentRecord, wanted: number): Promise<void> {
    const { fleet, publisher, engine, onChange, onColdStart, log } = this.#options
    const { route, name } = record
    if (wanted <= fleet.ready(route).length) return
    const before = fleet.wanted(route) ?? 0
    fleet.want(route, Math.max(before, wanted))
    try {
      await traced('wake', { 'faas.name': name, 'ryo_faas.instances': wanted }, () =>
        this.raise(record, wanted, { onAwake: kind => onColdStart(name, kind) }),
      )
      if (fleet.ready(route).length < wanted) this.#calmUntil.set(route, performance.now() + CALM_MS)
      const [first] = fleet.ready(route)
      if (first !== undefined) await engine.promote?.(first.id)
    } catch (error) {
      if (this.#abort.signal.aborted) return
      this.#calmUntil.set(route, performance.now() + CALM_MS)
      fleet.want(route, fleet.ready(route).length)
      const { message } = error as Error
      log.warn({ deployment: name, err: error as Error }, 'a function could not be woken')
      fleet.noteExit(route, { at: new Date().toISOString(), code: null, reason: message })
      fleet.markUnavailable(route, message)
      await publisher.publishOne(route).catch(() => undefined) // The next change publishes it.
      fleet.markUnavailable(route, undefined)
    }
    onChange(name)
  }

  #dueInMs(route: string): number | undefined {
    const { state, fleet, sleep } = this.#options
    const record = state.deployment(route)
    if (record === undefined) return undefined
    const scale = scaleOfRecord(record)
    const now = performance.now()
    const waits: number[] = []
    if (isElastic(scale) && fleet.ready(route).length > scale.min) {
      // What cannot be frozen is kept instead.
      const idleMs = sleep.isPossible ? scale.idleMs : scale.idleMs + scale.keepMs
      waits.push(idleMs - this.#load(route).idleMs(now))
    }
    for (const { since } of fleet.sleepers(route)) waits.push(since + scale.keepMs - now)
    return waits.length === 0 ? undefined : Math.max(1, Math.ceil(Math.min(...waits)))
  }

  async #lookAt(route: string): Promise<void> {
    const { state, fleet, sleep, sources, onChange } = this.#options
    const record = state.deployment(route)
    if (record === undefined || this.#abort.signal.aborted) return
    const scale = scaleOfRecord(record)
    const now = performance.now()
    for (const { instance, since } of fleet.sleepers(route)) {
      if (now - since < scale.keepMs) continue
      await sleep.remove(instance)
      onChange(record.name)
    }
    const load = this.#load(route)
    if (!isElastic(scale)) return
    // Invariant 2.
    const { proxies, dispatchers } = sources
    if ([...proxies, ...dispatchers].some(({ name }) => !this.#heard.has(name))) return load.touch(now)
    const idleMs = sleep.isPossible ? scale.idleMs : scale.idleMs + scale.keepMs
    const awake = fleet.ready(route)
    const isIdle = load.idleMs(now) >= idleMs
    const spare = awake.length - (isIdle ? scale.min : Math.max(this.#wantedFor(record, load.takePeak(now)), 1))
    if (spare <= 0) return
    // Slowly while there are calls, and all at once when there are none.
    for (const instance of awake.slice(-(isIdle ? spare : 1))) {
      if (load.figures(now).waiting > 0) break
      if (!(await this.#lower(record, instance))) load.touch(performance.now())
    }
    fleet.want(route, fleet.ready(route).length)
    onChange(record.name)
  }

  async #lower(record: DeploymentRecord, instance: Instance): Promise<boolean> {
    const { sleep, instances } = this.#options
    if (sleep.isPossible) return sleep.freeze(instance)
    await instances.retire([instance], activeVersion(record))
    return true
  }

  #wanted(record: DeploymentRecord): number {
    return this.#wantedFor(record, this.#load(record.route).figures(performance.now()))
  }

  #wantedFor(record: DeploymentRecord, load: LoadFigures): number {
    const { concurrency, async: policy } = activeVersion(record).config
    const { concurrency: asyncConcurrency } = AsyncPolicy.parse(typeof policy === 'object' ? policy : {})
    const awake = this.#options.fleet.ready(record.route).length
    return wantedInstances(load, { ...scaleOfRecord(record), concurrency, asyncConcurrency, awake })
  }

  #load(route: string): Load {
    let load = this.#loads.get(route)
    if (load === undefined) this.#loads.set(route, (load = new Load(performance.now())))
    return load
  }
}
