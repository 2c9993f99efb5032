/**
 * Everything that can be done with deployments. Operations on one deployment run one after another (also with the
 * reconciler's), those on different ones in parallel.
 */
import type { z } from 'zod'
import {
  RyoFaasError,
  triggerSecrets,
  type DeploymentView,
  type LogLine,
  type PackagedDeploy,
  type ResourceView,
  type StartFrom,
} from '../contract/index.ts'
import { capability, type Engine, type Instance, type LogQuery } from '../engines/index.ts'
import { KeyedQueue } from '../host/index.ts'
import type { Languages } from '../languages/index.ts'
import type { PackageStore } from '../packages/index.ts'
import type { Route, RouteChannel } from '../routes/index.ts'
import type { ProxyStats } from '../services/proxy/index.ts'
import type { SecretStore } from '../secrets/index.ts'
import { activeVersion, deploymentNamed, type DeploymentRecord, type StateStore } from './state/index.ts'
import { Adoption } from './adoption.ts'
import { checkFile } from './check.ts'
import { Deploy, type DeployRequest, type Emit } from './deploy.ts'
import { sourceOnDisk, uploadedSource } from './deploy-sources.ts'
import type { Surroundings } from './environment.ts'
import { Fleet } from './fleet.ts'
import { Instances } from './instances.ts'
import { LastRoutes, type LastRoutesOptions } from './last-routes.ts'
import { Lifecycle } from './lifecycle.ts'
import { deploymentLogs } from './log-merge.ts'
import { PackageIntake } from './package-intake.ts'
import { PlatformClock, type PlatformClockOptions } from './platform-clock.ts'
import type { PlanRequest } from './plan.ts'
import { Reconciler, type ReconcilerOptions } from './reconciler.ts'
import { RoutePublisher, type CurrentTable } from './route-publisher.ts'
import { isHealthy, isPlain, proofTo, readinessOf, versionOf } from './readiness.ts'
import { Scaler, Sleep, type ColdStart, type DemandSource, type QueueSource } from './scaling/index.ts'
import { replaceStranded } from './stranded.ts'
import { Switcher } from './switcher.ts'
import { deployedRoute, pathOf, signingSecret } from './deployed-route.ts'
import { Resources } from './resources.ts'
import { VersionImages } from './version-images.ts'
import { desiredOf, viewDeployment } from './views.ts'

export interface ReadyFunction {
  name: string
  /** Its instances tell about themselves. */
  hasMetrics: boolean
  instances: Instance[]
  frozen: number
  desired: number
}

export interface DeployerOptions {
  home: string
  /** Release of ryo-faas. */
  version: string
  engine: Engine
  state: StateStore
  languages: Languages
  packages: PackageStore
  secrets: SecretStore
  /** How long the engine may not answer before a start goes on without it. */
  patienceMs: number
  /** Of several agents: whether this one leads at this moment. */
  isHeld?: (() => boolean) | undefined
  /** What the agent before this one published last. Absent: nobody knows. */
  lastRoutes?: LastRoutesOptions['lastRoutes']
  /** To proxies and dispatchers. */
  routes: RouteChannel
  proxy: { stats(): Promise<ProxyStats> }
  /** Of every proxy. */
  demand: readonly DemandSource[]
  /** Of every dispatcher. */
  queues: readonly QueueSource[]
  surroundings: () => Surroundings
  /** Position of the next document change. */
  now: () => Promise<StartFrom>
  /** Of schedules. */
  clock: Pick<PlatformClockOptions, 'option' | 'isAdopted' | 'followers'>
  /** URL of a path at the proxy. */
  urlOf: (path: string) => string
  startTimeoutMs: number
  /** Most instances that are awake, of all functions together; deploys are not held back. */
  maxInstances: number
  onChange: (name: string) => void
  /** What is waited for before anything can be started, stopped or changed. */
  onWaiting: () => void
  onRemoved: (name: string) => void
  onColdStart: (name: string, kind: ColdStart) => void
  log: ReconcilerOptions['log']
}

export class Deployer {
  /** What is built here for others, and what others built. */
  readonly packages: PackageIntake
  /** What is done to deployments that are there. */
  readonly lifecycle: Lifecycle
  /** Of schedules. */
  readonly clock: PlatformClock
  readonly #options: DeployerOptions
  readonly #fleet = new Fleet()
  readonly #queue = new KeyedQueue()
  readonly #stopping = new AbortController()
  readonly #images: VersionImages
  readonly #resources: Resources
  readonly #publisher: RoutePublisher
  readonly #instances: Instances
  readonly #sleep: Sleep
  readonly #scaler: Scaler
  readonly #switcher: Switcher
  readonly #reconciler: Reconciler
  readonly #deploy: Deploy
  readonly #adoption: Adoption
  readonly #last: LastRoutes
  readonly #replaceStranded: () => Promise<void>

  constructor(options: DeployerOptions) {
    this.#options = options
    this.packages = new PackageIntake(options, this.#stopping.signal)
    this.#images = new VersionImages(options.engine.images)
    this.#resources = new Resources({ ...options, fleet: this.#fleet, images: this.#images })
    const { state } = options
    const publish = () => this.publish()
    this.#last = new LastRoutes({ ...options, fleet: this.#fleet })
    this.clock = new PlatformClock({ ...options.clock, state, publish, onChange: options.onChange })
    const versionIn = (instance: Instance) => versionOf(state.deployment(instance.route), instance)
    const shared = {
      ...{ ...options, fleet: this.#fleet, queue: this.#queue, images: this.#images, clock: this.clock },
      isHealthy: (instance: Instance) =>
        isHealthy(instance, readinessOf(versionIn(instance), options.surroundings().instanceKeyOf)),
      isPlain: (instance: Instance) => isPlain(versionIn(instance)),
    }
    this.#publisher = new RoutePublisher(options.routes, {
      all: () => this.#table(),
      one: name => {
        const record = state.deployment(name)
        return record && this.#routeOf(record)
      },
    })
    this.#instances = new Instances({ ...shared, publisher: this.#publisher })
    this.#sleep = new Sleep({ ...shared, publisher: this.#publisher })
    const moved = { ...shared, publisher: this.#publisher, instances: this.#instances, sleep: this.#sleep }
    this.#scaler = new Scaler({ ...moved, sources: { proxies: options.demand, dispatchers: options.queues } })
    this.#switcher = new Switcher(moved)
    this.#reconciler = new Reconciler(moved)
    const switching = { ...moved, switcher: this.#switcher, reconciler: this.#reconciler }
    this.#deploy = new Deploy(switching)
    this.lifecycle = new Lifecycle({
      ...{ ...switching, scaler: this.#scaler, stopping: this.#stopping.signal },
      mayChange: () => this.#adoption.mayChange(),
    })
    this.#replaceStranded = () => replaceStranded(switching, this.#stopping.signal)
    this.#adoption = new Adoption({
      ...{ ...options, onChange: options.onWaiting },
      adopt: onKnown => this.#adopt(onKnown),
      goOn: () => void this.#goOn(),
    })
  }

  /**
   * Adopts what is running, restarts what is not, and keeps doing so. If the engine does not answer, what was published
   * before goes on, and that is done once it does.
   */
  async start(): Promise<void> {
    await this.clock.begin()
    await this.#adoption.begin()
  }

  /** Why nothing can be started, stopped or changed yet: the engine does not say what runs. */
  get waitsFor(): string | undefined {
    return this.#adoption.waitsFor
  }

  /** A proxy or dispatcher was down and may have come back with an old table. */
  republish(): Promise<void> {
    return this.#publisher.republish()
  }

  /**
   * Brings what has changed besides deployments, such as keys, to all proxies.
   * @throws RyoFaasError if nothing can be published yet
   */
  async publish(): Promise<void> {
    if (!this.#publisher.hasPublished) await this.#adoption.known()
    await this.#publisher.publish()
  }

  /** Checks and bundles on this machine. */
  async deploy(request: Omit<DeployRequest, 'source'> & PlanRequest, emit: Emit, signal: AbortSignal): Promise<void> {
    if (!request.buildOnly && !(await this.#isKnown(emit))) return
    const { buildOnly, debug, explain, replace, from, ...plan } = request
    const run = { buildOnly, debug, explain, replace, from, source: sourceOnDisk(plan, this.#options) }
    await this.#deploy.run(run, emit, this.#either(signal))
  }

  /** Deploys what was built elsewhere and uploaded. */
  async deployPackages(request: z.output<typeof PackagedDeploy>, emit: Emit, signal: AbortSignal): Promise<void> {
    if (!(await this.#isKnown(emit))) return
    const { explain, debug, replace, from } = request
    const source = uploadedSource(request, this.#options)
    const run = { buildOnly: false, debug, explain, replace, from, source }
    await this.#deploy.run(run, emit, this.#either(signal))
    await this.packages.collect()
  }

  check(request: PlanRequest) {
    return checkFile(request, this.#options)
  }

  async list(): Promise<DeploymentView[]> {
    const records = Object.values(this.#options.state.current.deployments)
    const listed = this.waitsFor === undefined ? this.#options.engine.instances() : this.#fleet.ready()
    const [instances, stats] = await Promise.all([listed, this.#stats()])
    return records.map(record =>
      viewDeployment(record, {
        instances,
        fleet: this.#fleet,
        stats: stats?.functions.find(({ name }) => name === record.route),
        url: this.#options.urlOf(pathOf(activeVersion(record).config)),
        clockMs: this.clock.now(),
      }),
    )
  }

  /** Which instances are ready now, how many sleep, and how many are to be ready; from memory. */
  ready(): ReadyFunction[] {
    const fleet = this.#fleet
    return Object.values(this.#options.state.current.deployments).map(record => ({
      name: record.name,
      hasMetrics: !isPlain(activeVersion(record)),
      instances: fleet.ready(record.route),
      frozen: fleet.frozen(record.route).length,
      desired: desiredOf(record, fleet),
    }))
  }

  async view(name: string): Promise<DeploymentView> {
    const { route } = deploymentNamed(this.#options.state.current, name)
    return (await this.list()).find(view => view.route === route)!
  }

  /**
   * Returns a reader of its output, so that a wrong request fails before the first line.
   * @throws RyoFaasError DEPLOYMENT_NOT_FOUND; UNSUPPORTED if the engine keeps no output
   */
  logs(name: string): (query: LogQuery & { signal: AbortSignal }) => AsyncIterable<LogLine> {
    const { engine } = this.#options
    const { route } = deploymentNamed(this.#options.state.current, name)
    const logs = capability(engine, 'logs')
    return query => deploymentLogs({ logs, engine }, route, query)
  }

  resources(): Promise<ResourceView[]> {
    return this.#resources.list()
  }

  /** Removes images that no kept version needs, and old packages. */
  async prune(): Promise<{ removed: string[]; freedBytes: number }> {
    await this.packages.collect()
    return this.#resources.prune()
  }

  /** Stops every instance and keeps the state: the next start brings them back. Returns what was stopped. */
  async stopInstances(): Promise<string[]> {
    this.#adoption.close()
    this.#last.forget()
    this.#last.forget()
    this.#reconciler.close()
    this.#scaler.close()
    // Deploys and scalings in progress are undone first.
    this.#stopping.abort()
    await this.#queue.idle()
    await this.#images.close()
    const instances = await this.#options.engine.instances()
    await this.#instances.retire(instances, undefined)
    await this.#fleet.drained()
    return instances.map(({ name }) => name)
  }

  /** Stops managing instances; they keep running. */
  async close(): Promise<void> {
    this.#adoption.close()
    this.#last.forget()
    this.#last.forget()
    this.#reconciler.close()
    this.#scaler.close()
    await this.#queue.idle()
    await this.#images.close()
  }

  async #adopt(onKnown: () => void): Promise<void> {
    await this.#reconciler.adopt(() => {
      this.#last.forget()
      onKnown()
    })
    await this.#publisher.publish()
    this.#options.engine.watch(() => void this.#reconciler.all())
    this.#instances.openPool(Object.values(this.#options.state.current.deployments).map(activeVersion))
    this.#scaler.start()
    void this.packages.collect()
    void this.#replaceStranded()
  }

  /** What was published last, with the keys and the clock of now. */
  async #goOn(): Promise<void> {
    try {
      if (await this.#last.take()) await this.#publisher.publish()
    } catch (error) {
      this.#options.log.warn({ err: error as Error }, 'what was published last cannot be published again')
    }
  }

  /** Ends a deploy that cannot begin yet. */
  async #isKnown(emit: Emit): Promise<boolean> {
    try {
      const { waitsFor } = this
      if (waitsFor !== undefined) emit({ type: 'waiting', why: waitsFor })
      await this.#adoption.mayChange()
      return true
    } catch (error) {
      emit({ type: 'finished', deployed: 0, failed: 0, durationMs: 0, error: RyoFaasError.from(error).toBody() })
      return false
    }
  }

  #either(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#stopping.signal])
  }

  /** Headers with which an instance is asked. */
  proofTo(id: string): Record<string, string> {
    return proofTo(id, this.#options.surroundings().instanceKeyOf)
  }

  async #stats(): Promise<ProxyStats | undefined> {
    try {
      return await this.#options.proxy.stats()
    } catch {
      return undefined // The proxy is down: only the counts are unknown.
    }
  }

  #routeOf(record: DeploymentRecord): Route {
    const { route } = record
    const last = this.#last.whole(route)
    if (last !== undefined) return last
    const fleet = this.#fleet
    const serving = { ready: fleet.ready(route), frozen: fleet.frozen(route), unavailable: fleet.unavailable(route) }
    return deployedRoute(record, { ...serving, isExposed: this.#options.surroundings().instanceKeyOf !== undefined })
  }

  async #table(): Promise<CurrentTable> {
    const { state, secrets } = this.#options
    const configs = Object.values(state.current.deployments).map(record => activeVersion(record).config)
    const [signing, connecting] = await Promise.all([
      secrets.values(configs.flatMap(signingSecret)),
      secrets.values(configs.flatMap(({ on = [] }) => on.flatMap(triggerSecrets))),
    ])
    return {
      routes: Object.values(state.current.deployments).map(record => this.#routeOf(record)),
      keys: Object.values(state.current.keys),
      secrets: signing,
      triggerSecrets: connecting,
      ...(state.current.clock && { clock: state.current.clock }),
    }
  }
}
