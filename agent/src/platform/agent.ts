/**
 * The agent: the composition root. It opens its home, serves the API, starts the platform phase by phase and stops it.
 * Invariants:
 *
 * 1. One agent per home (by a lock); a second one exits quietly.
 * 2. Parts and functions outlive the agent; `close` leaves them running, `shutdown` stops them.
 * 3. The API responds from the first moment; requests that need the platform are refused until it is ready.
 */
import { EventEmitter } from 'node:events'
import { rm } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { FastifyBaseLogger } from 'fastify'
import { AuditLog, type Following, type Platform } from '../api/index.ts'
import { homePaths } from '../client/index.ts'
import { RyoFaasError, type PartView, type PlatformEvent, type PlatformView } from '../contract/index.ts'
import { CallCounts, CallerKeys, clockView, type Deployer } from '../deployments/index.ts'
import { DockerService } from '../docker/index.ts'
import { candidates, type Engine } from '../engines/index.ts'
import { readIfPresent } from '../host/index.ts'
import type { TraceStore } from '../observability/collector/index.ts'
import { SecretStore } from '../secrets/index.ts'
import { Supervisor } from '../supervisor/index.ts'
import { Ahead } from './ahead.ts'
import { sweepBackups } from './backup/take-backup.ts'
import { finishRestore } from './backup/restore-home.ts'
import type { TokenStore } from '../tokens/index.ts'
import { removeData, setOptionsAside } from './home-data.ts'
import type { FrontCertificates } from './front-certificates.ts'
import { findNode } from './node-binary.ts'
import { openHome, type EngineView, type Home, type Launch } from './launch.ts'
import type { PlatformOptions } from './options.ts'
import { proxyUrlOf, startKeeper } from './phases.ts'
import { PlatformMetrics } from './platform-metrics.ts'
import type { FarProxy } from '../services/proxy/index.ts'
import { RoutesSink } from './routes-sink.ts'
import { serveApi } from './serve-api.ts'
import { Cluster } from './sharing/cluster.ts'
import { endLeft, forgetRoutes } from './sharing/end-left.ts'
import { EngineAhead } from './sharing/engine-ahead.ts'
import { ownDocker } from './sharing/own-docker.ts'
import { startPlatform, type ReadyPlatform } from './start-platform.ts'
import { Started } from './started.ts'
import { Timeline } from './timeline.ts'

export interface AgentOptions {
  home: string
  version: string
  /** Hash of our own code, if it was packaged: two builds may have the same version. */
  build?: string | undefined
  options: PlatformOptions
  environment: NodeJS.ProcessEnv
  runtimeDir: string
  logger: FastifyBaseLogger
  /** Processes of parts that were started before this one had loaded its code. */
  ahead?: Ahead | undefined
  /** Called after a requested shutdown: the process may exit. */
  onShutdown: () => void
  /** It must end at once, without doing anything more: the keeper brings another one. */
  onEnd: (code: number) => void
}

/** Exit code of a process after which another one is to stand by. */
const DEPOSED = 75

type Stage =
  | { kind: 'ready'; platform: ReadyPlatform }
  /** Another agent leads. */
  | { kind: 'standing-by' }
  | Exclude<PlatformView['phase'], { kind: 'ready' }>

export class Agent implements Platform {
  readonly secrets: SecretStore
  readonly tokens: TokenStore
  readonly token: string
  readonly audit: AuditLog
  readonly metrics: PlatformMetrics
  readonly #options: AgentOptions
  readonly #home: Home
  readonly #events = new EventEmitter<{ event: [PlatformEvent] }>()
  readonly #supervisor = new Supervisor()
  readonly #counts: CallCounts
  readonly #routes: RoutesSink
  readonly #started = new Started()
  readonly #timeline = new Timeline()
  /** Closed last: it has to answer the request to stop. */
  readonly #api = new Started()
  #stage: Stage = { kind: 'starting', doing: 'starting' }
  #certificates: FrontCertificates | undefined
  #engine: EngineView
  #cluster: Cluster | undefined
  #ahead: Ahead | undefined
  /** While another agent leads. */
  #engineAhead: EngineAhead | undefined
  /** Another agent leads, or did a moment ago: requests are not for this one yet. */
  #follows = false
  /** Of what this home ran while its agent led. */
  #ending: Promise<void> = Promise.resolve()

  private constructor(options: AgentOptions, home: Home, secrets: SecretStore) {
    const { logger } = options
    this.#options = options
    this.#ahead = options.ahead
    this.#home = home
    this.secrets = secrets
    this.tokens = home.tokens
    this.token = home.secrets.keys.operator
    this.audit = new AuditLog(homePaths(home.folder).auditLog)
    this.#routes = new RoutesSink(home.folder, {
      dispatchers: options.options.dispatchers,
      onLate: error => logger.info({ err: error }, 'a dispatcher gets the routes later'),
    })
    this.metrics = new PlatformMetrics({
      supervisor: this.#supervisor,
      token: home.secrets.keys.operator,
      proxy: this.#routes,
    })
    this.#counts = new CallCounts({
      stats: () => this.#routes.stats(),
      tell: counts => void this.#events.emit('event', { type: 'calls-counted', counts }),
    })
    this.#supervisor.events.on('changed', () => this.#events.emit('event', { type: 'platform-changed' }))
    this.#supervisor.events.on('failed', (name, error) =>
      logger.error({ part: name, err: error }, `${name} cannot be started`),
    )
    // Until one is chosen: the one that is being tried.
    this.#engine = { engine: candidates(options.options.engine)[0]!.kind, engineNote: '' }
  }

  static async open(options: AgentOptions): Promise<Agent> {
    const { agentFile, options: optionsFile } = homePaths(options.home)
    const isAdopted = (await readIfPresent(agentFile)) !== undefined
    await Promise.all([finishRestore(options.home), sweepBackups(options.home)])
    const keepsKeys = options.options.clusterKey !== 'none'
    try {
      const home = await openHome(options.home, { isAdopted, keepsKeys })
      const secrets = new SecretStore(options.home)
      if (!keepsKeys) return new Agent(options, home, secrets)
      const runsOn = isAdopted ? home.state.current.engine : undefined
      const cluster = await Cluster.join({
        ...{ home, secrets, options: options.options, version: options.version, log: options.logger },
        docker: await ownDocker(options.options, { environment: options.environment, runsOn }),
        onChange: () => agent.tellChange(),
        onDeposed: () => options.onEnd(DEPOSED),
      })
      const agent = new Agent(options, { ...home, secrets: cluster.keys }, secrets)
      agent.#cluster = cluster
      agent.metrics.addCluster(cluster)
      return agent
    } catch (error) {
      if (!isAdopted) await rm(optionsFile, { force: true })
      throw error
    }
  }

  /** Resolves when everything runs, or this agent stands by. On failure it stops what was started and throws the reason. */
  async start(): Promise<void> {
    try {
      const served = { ...this.#options, platform: this, token: this.token, tokens: this.tokens, audit: this.audit }
      const { state } = this.#home
      await this.#timeline.measure('API', () => serveApi({ ...served, state, opened: this.#api }))
      if (this.#cluster === undefined) await this.#run(this.#launch(this.#home))
      else await this.#takePart(this.#cluster)
    } catch (error) {
      const failure = RyoFaasError.from(error)
      this.#enter({ kind: 'failed', error: failure.toBody() })
      if (!this.#home.isAdopted) await this.#takeBack()
      throw failure
    }
  }

  async #run(launch: Launch): Promise<void> {
    const { certificates, ...platform } = await startPlatform(launch)
    this.#certificates = certificates
    void this.#ahead?.close()
    this.#options.logger.info({ timeline: this.#timeline.steps }, 'started')
    this.#follows = false
    this.#enter({ kind: 'ready', platform })
  }

  /** Leads now, or later. */
  async #takePart(cluster: Cluster): Promise<void> {
    await startKeeper(this.#launch(this.#home))
    this.#enter({ kind: 'starting', doing: 'finding out which agent leads' })
    let leading: Promise<void> | undefined
    const onLead = (epoch: number) => {
      leading = this.#lead(cluster, epoch)
      // One that stood by tells nobody: another process tries again, or another agent.
      if (this.#follows) leading.catch((error: unknown) => void this.#giveUp(cluster, error))
    }
    const role = await cluster.start({ port: this.#home.state.current.ports['agent']!, onLead })
    if (role === 'leads') return leading
    this.#follows = true
    this.#enter({ kind: 'standing-by' })
    if (this.#home.isAdopted) await (this.#ending = this.#endLeft())
    await this.#prepareEngine()
  }

  async #prepareEngine(): Promise<void> {
    const { options, environment, runtimeDir, home, logger } = this.#options
    const nodePath = await findNode(options.node)
    // It may lead by now.
    if (this.#stage.kind !== 'standing-by') return
    const choice = { ...options, home, nodePath, environment, docker: new DockerService(environment), runtimeDir }
    this.#engineAhead = EngineAhead.start({ choice, log: logger })
  }

  async #lead(cluster: Cluster, epoch: number): Promise<void> {
    this.#enter({ kind: 'starting', doing: 'taking over what the platform is to be' })
    await this.#ending
    if (this.#follows) await forgetRoutes(this.#home.folder)
    await cluster.takeOver(epoch)
    // What earlier ones decided holds: the engine, the clock.
    const home = { ...this.#home, isAdopted: this.#home.isAdopted || epoch > 1 }
    const engineAhead = await this.#engineAhead?.take()
    const leads = {
      guard: (engine: Engine) => cluster.guard.guard(engine),
      isHeld: () => cluster.isHeld,
    }
    await this.#run({ ...this.#launch(home), ...leads, term: epoch, hasStoodBy: this.#follows, engineAhead })
  }

  async #giveUp(cluster: Cluster, error: unknown): Promise<void> {
    this.#options.logger.error({ err: error }, 'this agent cannot lead')
    await cluster.stepDown().catch(() => undefined)
    this.#options.onEnd(DEPOSED)
  }

  async #endLeft(): Promise<void> {
    const { options, environment, logger, home } = this.#options
    const names = await endLeft(home, { options, environment, runsOn: this.#home.state.current.engine })
    logger.info({ names }, 'what this agent ran while it led is ended')
    if (this.#stage.kind === 'standing-by') this.#ahead = Ahead.start(home, { options, environment })
  }

  /** Stops the agent and nothing else. */
  async close(): Promise<void> {
    this.#supervisor.close()
    await this.#cluster?.close()
    await this.#ahead?.close()
    await this.#engineAhead?.close()
    await this.#started.close()
    await this.#api.close()
  }

  following(): Following | undefined {
    return this.#follows ? this.#cluster : undefined
  }

  tellChange(): void {
    this.#events.emit('event', { type: 'platform-changed' })
  }

  view(): PlatformView {
    const { home, version, build, options } = this.#options
    const { clock } = this.#home.state.current
    const waitsFor = this.#stage.kind === 'ready' ? this.#stage.platform.deployer.waitsFor : undefined
    return {
      project: options.project,
      home,
      version,
      ...(build !== undefined && { build }),
      ...this.#engine,
      proxyUrl: proxyUrlOf(this.#supervisor, options),
      host: options.host,
      phase: phaseOf(this.#stage),
      ...(waitsFor !== undefined && { waitsFor }),
      ...(clock && { clock: clockView(clock) }),
      parts: [this.#ownView(), ...this.#supervisor.views(), ...this.#routes.far.all.map(viewOfProxy)],
      ...(this.#cluster && { cluster: this.#cluster.view() }),
      ...(this.#certificates && { certificates: this.#certificates.views }),
    }
  }

  deployer(): Deployer {
    return this.#ready().deployer
  }

  keys(): CallerKeys {
    return this.#ready().keys
  }

  traces(): TraceStore {
    return this.#ready().traces
  }

  async backup(): Promise<Readable> {
    return (await this.#ready().backups.take()).content
  }

  async retryCertificate(domain: string): Promise<boolean> {
    return (await this.#certificates?.tryNow(domain)) ?? false
  }

  onEvent(listener: (event: PlatformEvent) => void): () => void {
    this.#events.on('event', listener)
    const stopCounting = this.#counts.watch()
    return () => {
      this.#events.off('event', listener)
      stopCounting()
    }
  }

  async shutdown({ prune }: { prune: boolean }): Promise<string[]> {
    const { home, onShutdown } = this.#options
    this.#enter({ kind: 'stopping' })
    // From here on nothing is restarted.
    await setOptionsAside(home)
    try {
      const isHandedOver = (await this.#cluster?.stepDown()) === true
      await this.#ahead?.close()
      await this.#engineAhead?.close()
      // What others go on with is not theirs alone.
      const names = await this.#started.end(prune && !isHandedOver)
      // Only once nothing uses it.
      if (prune) await removeData(home)
      return [...names, 'agent']
    } finally {
      // Even if something could not be stopped: an agent stuck in this stage could not be asked again.
      await this.#started.close()
      await this.#cluster?.close()
      await rm(homePaths(home).agentFile, { force: true })
      // The response to this very request goes out first.
      setImmediate(() => void this.#api.close().finally(onShutdown))
    }
  }

  /** @throws RyoFaasError NOT_RUNNING */
  #ready(): ReadyPlatform {
    const stage = this.#stage
    if (stage.kind === 'ready') return stage.platform
    const doing = stage.kind === 'starting' ? `starting (${stage.doing})` : stage.kind
    throw new RyoFaasError('NOT_RUNNING', `the platform is ${doing}`, { hint: 'Try again in a moment.' })
  }

  #launch(home: Home): Launch {
    return {
      ...this.#options,
      ahead: this.#ahead,
      release: this.#options.build ?? this.#options.version,
      home,
      supervisor: this.#supervisor,
      secrets: this.secrets,
      routes: this.#routes,
      metrics: this.metrics,
      events: this.#events,
      started: this.#started,
      timeline: this.#timeline,
      report: {
        doing: text => this.#enter({ kind: 'starting', doing: text }),
        engine: view => (this.#engine = view),
      },
    }
  }

  #enter(stage: Stage): void {
    this.#stage = stage
    this.#options.logger.info({ phase: phaseOf(stage) }, 'phase')
    this.#events.emit('event', { type: 'platform-changed' })
  }

  #ownView(): PartView {
    const { agent: port, collector } = this.#home.state.current.ports
    return {
      name: 'agent',
      state: 'running',
      pid: process.pid,
      restarts: 0,
      ...(port !== undefined && { address: `127.0.0.1:${port}` }),
      ...(collector !== undefined && { note: `takes traces (OTLP over HTTP) at 127.0.0.1:${collector}` }),
    }
  }

  /** Cleans up after a failed first start. */
  async #takeBack(): Promise<void> {
    const { options, agentFile } = homePaths(this.#options.home)
    await rm(options, { force: true })
    await this.#started.takeBack()
    await rm(agentFile, { force: true })
  }
}

function viewOfProxy({ machine, address, pid, isLive, isCurrent, id }: FarProxy): PartView {
  const isWell = isLive && isCurrent
  return {
    name: `proxy ${id}`,
    state: isWell ? 'running' : isLive ? 'starting' : 'failing',
    ...{ address, pid, restarts: 0 },
    note: `on ${machine}${isWell ? '' : isLive ? ', without the newest routes' : ', not heard: it may serve earlier routes'}`,
  }
}

function phaseOf(stage: Stage): PlatformView['phase'] {
  return stage.kind === 'ready' || stage.kind === 'standing-by' ? { kind: 'ready' } : stage
}
