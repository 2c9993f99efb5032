/**
 * The live routes of one process: which instances a function has now, and which requests wait for one.
 *
 * Invariants: 1. `apply` changes everything in one turn of the event loop; when it returns, no removed instance has
 * an idle connection or is chosen again. 2. A function keeps its metrics and an instance its connections across
 * tables while they stay in it. 3. At most `maxWaiting` requests wait, for a function that is scaled at most half of
 * them and what all its instances could run at once; each is woken by the table that changes its function. 4. An instance whose address belongs to another is not chosen until the next table, which
 * comes from the agent: if that is also wrong, one more request finds out, and is not run there. 5. A frozen instance is
 * not chosen. 6. Those that wait are served in the order in which they came: what becomes free is theirs before a
 * request that comes later can have it.
 */
import { findPath, type PlatformErrorCode } from '@ryo-faas/runtime/protocol'
import { answeredMethods } from '../../../contract/index.ts'
import { keyOfInstance, type Route, type RoutePatch, type RouteTable } from '../../../routes/index.ts'
import { DemandLines, DemandMark, type Demanded } from '../demand/demand-lines.ts'
import { FunctionMetrics, type FunctionSnapshot } from '../metrics/function-metrics.ts'
import { Instance, type UpstreamSettings } from '../upstream/index.ts'
import { UrlRouter, type RouteMatch } from './url-router.ts'

export interface Waiter {
  /** The instances have changed, or one has become free. Keeps its place if it has to wait further. */
  wake(): void
  /** No instance can be started or woken now. */
  turnAway(reason: string): void
  /** The function is gone. */
  dismiss(): void
}

export type Choice = Instance | 'none' | 'busy'

/** Why a request may not wait. */
export interface NoPlace {
  code: PlatformErrorCode
  reason: string
}

export class FunctionEntry implements Demanded {
  readonly name: string
  readonly metrics = new FunctionMetrics()
  /** Calls from the dispatcher, which exposes them to Prometheus itself. */
  readonly dispatched = new FunctionMetrics()
  readonly waiters = new Set<Waiter>()
  route: Route
  /** Those it answers; undefined: any. */
  methods: ReadonlySet<string> | undefined
  instances: Instance[] = []
  /** Most calls at a time at each instance. */
  limit = Infinity
  begun = 0
  readonly mark = new DemandMark()
  private isServing = false
  private asyncPaths: ReadonlyMap<string, boolean> | undefined
  private next = 0
  private among = 1

  constructor(route: Route, sharers: number) {
    this.name = route.name
    this.route = route
    this.sharers = sharers
  }

  /** Proxies that send calls to its instances. */
  set sharers(count: number) {
    this.among = count
    const { concurrency, isAnonymous } = this.route
    // The others count by themselves, and say when they have no room.
    const part = isAnonymous === true ? Math.max(1, Math.floor(concurrency / count)) : concurrency
    this.limit = concurrency === 0 ? Infinity : part
  }

  get inflight(): number {
    return this.metrics.inflight + this.dispatched.inflight - this.waiters.size
  }

  get waiting(): number {
    return this.waiters.size
  }

  /** Another instance may be started or woken for what waits. */
  get mayGrow(): boolean {
    const { scale } = this.route
    return scale !== undefined && this.instances.filter(({ isFrozen }) => !isFrozen).length < scale.max
  }

  /**
   * @param share of all that may wait, which one function may have if it is scaled
   * @returns why one more may not wait.
   */
  placeFor(choice: 'none' | 'busy', share: number): NoPlace | undefined {
    const { scale, concurrency } = this.route
    if (choice === 'busy' && !this.mayGrow) {
      return { code: 'FUNCTION_OVERLOADED', reason: 'every instance is at its concurrency limit' }
    }
    const most = scale === undefined ? Infinity : concurrency === 0 ? share : Math.min(share, scale.max * concurrency)
    return this.waiters.size < most
      ? undefined
      : { code: 'FUNCTION_OVERLOADED', reason: `${this.waiters.size} requests already wait for an instance` }
  }

  /** Whether the function has calls of `path` queued. */
  isAsync(path: string): boolean {
    if (this.route.async === undefined) return false
    return this.asyncPaths === undefined || findPath(this.asyncPaths, path) === true
  }

  /** The instance with the fewest requests in flight, in turn among equals; one that just refused comes last. */
  choose(now: number, excluded: ReadonlySet<Instance> | undefined): Choice {
    const { instances, limit } = this
    const count = instances.length
    let best: Instance | undefined
    let bestIsSuspect = true
    let sawBusy = false
    const start = this.next < count ? this.next : 0
    for (let i = 0; i < count; i += 1) {
      const at = start + i < count ? start + i : start + i - count
      const instance = instances[at]!
      if (instance.isFrozen || instance.isLost || excluded?.has(instance) === true) continue
      if (instance.inflight >= limit) {
        sawBusy = true
        continue
      }
      const isSuspect = instance.suspectUntil > now
      if (
        best === undefined ||
        (bestIsSuspect && !isSuspect) ||
        (bestIsSuspect === isSuspect && instance.inflight < best.inflight)
      ) {
        best = instance
        bestIsSuspect = isSuspect
        this.next = at + 1
      }
    }
    return best ?? (sawBusy ? 'busy' : 'none')
  }

  /**
   * @param isAnswer the agent published it for this function alone: `unavailable` is about what waits now
   * @returns the instances that are no longer used.
   */
  apply(route: Route, { settings, isAnswer }: { settings: UpstreamSettings; isAnswer: boolean }): Instance[] {
    const { unavailable } = route
    const turnsAway = unavailable !== undefined && (isAnswer || unavailable !== this.route.unavailable)
    this.route = route
    this.sharers = this.among
    this.methods = answeredMethods(route.methods)
    this.asyncPaths = asyncPathsOf(route)
    const known = new Map(this.instances.map(instance => [keyOfInstance(instance), instance]))
    const frozen: Instance[] = []
    this.instances = route.instances.map(address => {
      const key = keyOfInstance(address)
      const { isAnonymous, isGuarded } = route
      const shown = isGuarded === true ? settings.keyOf?.(address.id) : undefined
      const instance = known.get(key) ?? new Instance({ ...address, isAnonymous, key: shown }, settings)
      instance.isLost = false
      if (address.isFrozen !== true) instance.isFrozen = false
      else if (!instance.isFrozen) {
        instance.freeze()
        frozen.push(instance)
      }
      known.delete(key)
      return instance
    })
    const removed = [...known.values()]
    for (const instance of removed) instance.retire()
    for (const waiter of [...this.waiters]) waiter.wake()
    if (turnsAway) for (const waiter of [...this.waiters]) waiter.turnAway(unavailable)
    return [...removed, ...frozen]
  }

  /** A call has left its instance. The caller may be about to choose one for itself. */
  freed(): void {
    if (this.isServing || this.waiters.size === 0 || this.route.scale === undefined) return
    this.isServing = true
    process.nextTick(serveWaiters, this)
  }

  /** Invariant 6. */
  serveWaiters(): void {
    this.isServing = false
    for (const waiter of this.waiters) {
      if (!this.hasRoom()) return
      waiter.wake()
    }
  }

  private hasRoom(): boolean {
    const { limit } = this
    return this.instances.some(({ isFrozen, isLost, inflight }) => !isFrozen && !isLost && inflight < limit)
  }

  /** @returns the instances it had. */
  remove(): Instance[] {
    const removed = this.instances
    this.instances = []
    for (const instance of removed) instance.retire()
    for (const waiter of [...this.waiters]) waiter.dismiss()
    return removed
  }
}

function serveWaiters(entry: FunctionEntry): void {
  entry.serveWaiters()
}

function asyncPathsOf({ paths }: Route): ReadonlyMap<string, boolean> | undefined {
  return (
    paths &&
    new Map([...paths.http.map(path => [path, false] as const), ...paths.async.map(path => [path, true] as const)])
  )
}

export class Routes {
  private readonly settings: UpstreamSettings
  private readonly maxWaiting: number
  private entries = new Map<string, FunctionEntry>()
  private urlRouter: UrlRouter | undefined
  private urlRoutes = ''
  private waiting = 0
  private sweeper: NodeJS.Timeout
  readonly demand = new DemandLines(() => this.entries.values())
  /** Generation of the table being served; -1 before the first. */
  generation = -1
  private among = 1

  constructor(options: { upstream: UpstreamSettings; maxWaiting: number }) {
    this.settings = options.upstream
    this.maxWaiting = options.maxWaiting
    this.sweeper = setInterval(() => this.sweep(), 1_000).unref()
  }

  /** Proxies of the platform. */
  set sharers(count: number) {
    this.among = count
    for (const entry of this.entries.values()) entry.sharers = count
  }

  find(name: string): FunctionEntry | undefined {
    return this.entries.get(name) ?? this.entries.get(name.toLowerCase())
  }

  /** By the path that a deployment names. @returns undefined if none names this one */
  match(method: string, path: string, host?: string): RouteMatch | undefined {
    return this.urlRouter?.match(method, path, host)
  }

  /** Whether the host name of a request matters. */
  get hasDomains(): boolean {
    return this.urlRouter?.hasDomains === true
  }

  /** The parameters in a path below `/functions/<name>`, which the function sees as if it had come without that. */
  paramsOf({ name, route }: FunctionEntry, method: string, path: string): Record<string, string> | undefined {
    if (route.pattern === undefined) return undefined
    const found = this.match(method, path, route.domains?.[0])
    return found?.kind === 'found' && found.name === name ? found.params : undefined
  }

  /** @returns the instances that are no longer in the table. */
  apply(table: RouteTable): Instance[] {
    const before = this.entries
    this.generation = table.generation
    this.entries = new Map(
      table.routes.map(route => [route.name, before.get(route.name) ?? new FunctionEntry(route, this.among)]),
    )
    this.applyPatterns(table)
    const gone = [...before.values()].filter(entry => !this.entries.has(entry.name))
    return [
      ...gone.flatMap(entry => this.remove(entry)),
      ...table.routes.flatMap(route => this.applyTo(this.entries.get(route.name)!, { route, isAnswer: false })),
    ]
  }

  /** @returns the instances that the route no longer uses. */
  applyOne(patch: RoutePatch, table: RouteTable): Instance[] {
    const { route, generation } = patch
    this.generation = generation
    let entry = this.entries.get(route.name)
    if (entry === undefined) this.entries.set(route.name, (entry = new FunctionEntry(route, this.among)))
    this.applyPatterns(table)
    return this.applyTo(entry, { route, isAnswer: true })
  }

  /**
   * Takes a place in the line, or keeps it.
   * @returns why there is none.
   */
  enqueue(entry: FunctionEntry, waiter: Waiter, choice: 'none' | 'busy'): NoPlace | undefined {
    if (entry.waiters.has(waiter)) return undefined
    const none = entry.placeFor(choice, Math.ceil(this.maxWaiting / 2))
    if (none !== undefined) return none
    if (this.waiting >= this.maxWaiting) {
      return { code: 'FUNCTION_UNAVAILABLE', reason: 'too many requests wait for an instance' }
    }
    this.waiting += 1
    entry.waiters.add(waiter)
    if (entry.waiters.size === 1) this.demand.waits(entry)
    else this.demand.changed(entry)
    return undefined
  }

  dequeue(entry: FunctionEntry, waiter: Waiter): void {
    if (!entry.waiters.delete(waiter)) return
    this.waiting -= 1
    this.demand.changed(entry)
  }

  snapshot(): FunctionSnapshot[] {
    return [...this.entries.values()].flatMap(({ name, route, metrics, dispatched }) => [
      { ...metrics.snapshot(name, route.displayName), trigger: 'http' as const },
      { ...dispatched.snapshot(name, route.displayName), trigger: 'async' as const },
    ])
  }

  /** Waiting requests of all functions. */
  get inflight(): number {
    let sum = 0
    for (const entry of this.entries.values()) sum += entry.metrics.inflight + entry.dispatched.inflight
    return sum
  }

  close(): void {
    clearInterval(this.sweeper)
    this.demand.close()
    for (const entry of this.entries.values()) {
      for (const waiter of [...entry.waiters]) waiter.turnAway('the proxy is stopping')
      entry.remove()
    }
    this.entries = new Map()
  }

  private applyTo(entry: FunctionEntry, { route, isAnswer }: { route: Route; isAnswer: boolean }): Instance[] {
    const unused = entry.apply(route, { settings: this.settings, isAnswer })
    // The agent may have frozen it while the call that waits was on its way.
    if (entry.waiters.size > 0) this.demand.waits(entry)
    return unused
  }

  private remove(entry: FunctionEntry): Instance[] {
    const removed = entry.remove()
    this.demand.over(entry)
    return removed
  }

  private applyPatterns({ routes }: RouteTable): void {
    const named = routes.filter(({ pattern }) => pattern !== undefined)
    const key = JSON.stringify(named.map(({ name, pattern, methods, domains }) => [name, pattern, methods, domains]))
    if (key === this.urlRoutes) return
    this.urlRoutes = key
    this.urlRouter = named.length === 0 ? undefined : new UrlRouter(named)
  }

  private sweep(): void {
    const now = performance.now()
    for (const entry of this.entries.values()) for (const instance of entry.instances) instance.sweep(now)
  }
}
