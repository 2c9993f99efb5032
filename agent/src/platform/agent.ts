/**
 * The agent: the composition root, the one file that names concrete classes and knows the order of starting and
 * stopping. Invariants:
 *
 * 1. One agent per home (by a lock); a second one exits quietly.
 * 2. Parts and functions outlive the agent; `close` leaves them running, `shutdown` stops them.
 * 3. The API responds from the first moment; requests that need the platform are refused until it is ready.
 */
import { EventEmitter } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { FastifyBaseLogger } from 'fastify'
import { FUNCTIONS_PREFIX } from '@ryo-faas/runtime/protocol'
import { Credentials, type AccessKeys } from '../access/index.ts'
import { createApi, type Platform } from '../api/index.ts'
import { boundLogs } from './bounded-logs.ts'
import { createLanguages, type Languages } from '../languages/index.ts'
import { homePaths } from '../client/index.ts'
import { RyoFaasError, type PartView, type PlatformEvent, type PlatformView } from '../contract/index.ts'
import { CallCounts, Deployer } from '../deployments/index.ts'
import { DockerService } from '../docker/index.ts'
import {
  candidates,
  capabilitiesOf,
  chooseEngine,
  type Engine,
  type Prepared,
  type ProxyReach,
} from '../engines/index.ts'
import { ensureSecrets, type EnsuredSecrets } from './ensured-secrets.ts'
import { dashboardFolder, entryPath } from './entries.ts'
import { announceAgent, removeData, setOptionsAside } from './home-data.ts'
import { portTaken, readIfPresent, settleAll } from '../host/index.ts'
import { findNode } from './node-binary.ts'
import { Observing } from './observing.ts'
import type { PlatformOptions } from './options.ts'
import { SecretStore } from '../secrets/index.ts'
import { PlatformParts } from './platform-parts.ts'
import { RoutesSink } from './routes-sink.ts'
import { nextChange } from './store-log.ts'
import { StateStore } from '../deployments/state/index.ts'
import { Supervisor } from '../supervisor/index.ts'

export interface AgentOptions {
  home: string
  version: string
  /** Hash of our own code, if it was packaged: two builds may have the same version. */
  build?: string | undefined
  options: PlatformOptions
  environment: NodeJS.ProcessEnv
  runtimeDir: string
  logger: FastifyBaseLogger
  /** Called after a requested shutdown: the process may exit. */
  onShutdown: () => void
}

/** What is there by the time functions are looked after. */
interface DeployerParts {
  engine: Engine
  reach: ProxyReach
  languages: Languages
  keys: AccessKeys
}

export class Agent implements Platform {
  readonly secrets: SecretStore
  readonly observing: Observing
  readonly #options: AgentOptions
  readonly #events = new EventEmitter<{ event: [PlatformEvent] }>()
  readonly #supervisor: Supervisor
  readonly #counts: CallCounts
  readonly #routes: RoutesSink
  #phase: PlatformView['phase'] = { kind: 'starting', doing: 'starting' }
  #token: string | undefined
  #state: StateStore | undefined
  #engine: Engine | undefined
  #prepared: Prepared | undefined
  #deployer: Deployer | undefined
  #languages: Languages | undefined
  #closeApi: (() => Promise<void>) | undefined
  #logs: { close(): void } | undefined

  constructor(options: AgentOptions) {
    this.#options = options
    this.secrets = new SecretStore(options.home)
    this.#routes = new RoutesSink(options.home, {
      dispatchers: options.options.dispatchers,
      onLate: error => options.logger.info({ err: error }, 'a dispatcher gets the routes later'),
    })
    this.observing = new Observing({
      ...options,
      deployer: () => this.#deployer,
      parts: () => this.#supervisor.views(),
      token: () => this.#token,
      figures: () => this.#routes.figures(),
      onTraces: () => this.#events.emit('event', { type: 'traces-changed' }),
    })
    this.#counts = new CallCounts({
      stats: () => this.#routes.stats(),
      tell: counts => void this.#events.emit('event', { type: 'calls-counted', counts }),
    })
    this.#supervisor = new Supervisor({
      onChange: name => this.#partChanged(name),
      onFailure: (name, error) => options.logger.error({ part: name, err: error }, `${name} cannot be started`),
    })
  }

  /** Resolves when everything runs. On failure it stops what was started and throws the reason. */
  async start(): Promise<void> {
    const { home } = this.#options
    // An earlier agent died without stopping the platform: it still runs on its ports, whatever happens to us.
    const adopting = (await readIfPresent(homePaths(home).agentFile)) !== undefined
    try {
      this.#state = await StateStore.open(join(home, 'state.json'))
      if (!adopting) await this.#state.update(state => void (state.ports = {}))
      const secrets = await ensureSecrets(home, { keep: adopting })
      this.#token = secrets.keys.operator
      await this.#serveApi(this.#token)
      await this.#bringUp(this.#state, { secrets, adopting })
      this.#setPhase({ kind: 'ready' })
    } catch (error) {
      const failure = RyoFaasError.from(error)
      this.#setPhase({ kind: 'failed', error: failure.toBody() })
      if (!adopting) await this.#takeBack()
      throw failure
    }
  }

  /** Stops the agent and nothing else. */
  async close(): Promise<void> {
    this.#logs?.close()
    this.#supervisor.close()
    await this.#deployer?.close()
    this.#routes.close()
    await this.#engine?.close()
    await this.#languages?.close()
    await this.observing.close()
    await this.#closeApi?.()
  }

  view(): PlatformView {
    const { home, version, build, options } = this.#options
    return {
      project: options.project,
      home,
      version,
      ...(build !== undefined && { build }),
      ...this.#engineView(),
      proxyUrl: this.#proxyUrl,
      host: this.#options.options.host,
      phase: this.#phase,
      parts: [this.#ownView(), ...this.#supervisor.views()],
    }
  }

  deployer(): Deployer {
    if (this.#phase.kind === 'ready' && this.#deployer) return this.#deployer
    const doing = this.#phase.kind === 'starting' ? `starting (${this.#phase.doing})` : this.#phase.kind
    throw new RyoFaasError('NOT_RUNNING', `the platform is ${doing}`, { hint: 'Try again in a moment.' })
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
    const { home } = this.#options
    this.#setPhase({ kind: 'stopping' })
    // From here on nothing is restarted.
    await setOptionsAside(home)
    try {
      const functions = (await this.#deployer?.stopInstances()) ?? []
      const parts = await this.#supervisor.stopAll()
      await this.observing.close()
      await this.#engine?.cleanUp(prune)
      // Only once nothing uses it.
      if (prune) await removeData(home)
      return [...functions, ...parts, 'agent']
    } finally {
      // Even if something could not be stopped: an agent stuck in this phase could not be asked again.
      await this.#closeKeepingApi()
      await rm(homePaths(home).agentFile, { force: true })
      // The response to this very request goes out first.
      setImmediate(() => void this.#closeApi?.().finally(this.#options.onShutdown))
    }
  }

  async #bringUp(
    state: StateStore,
    { secrets, adopting }: { secrets: EnsuredSecrets; adopting: boolean },
  ): Promise<void> {
    const { home, options, environment } = this.#options
    const doing = (text: string) => this.#setPhase({ kind: 'starting', doing: text })
    const nodePath = await findNode(options.node)
    const runsOn = adopting ? state.current.engine : undefined
    const docker = new DockerService(environment)
    const engine = (this.#engine = await chooseEngine({ ...options, home, nodePath, environment, docker, runsOn }))
    if (engine.kind !== state.current.engine) await state.update(next => void (next.engine = engine.kind))
    const languages = (this.#languages = createLanguages({
      runtimeDir: this.#options.runtimeDir,
      cacheDir: join(home, 'cache'),
      environment,
      surroundings: () => engine.surroundings(),
      checker: { entry: pathToFileURL(entryPath('languages/node/checker/checker-main')) },
    }))
    doing('starting NATS and preparing the engine')
    const parts = new PlatformParts({
      home,
      options,
      environment,
      nodePath,
      state,
      supervisor: this.#supervisor,
      secrets,
      traces: () => this.observing.tracingOfParts(),
    })
    const [, prepared] = await settleAll([parts.startNats(docker, doing), engine.prepare(doing)])
    this.#prepared = prepared
    const { reach } = prepared
    await this.observing.start(state, {
      extraHosts: reach.listenHosts,
      hostNames: [reach.proxyHost],
      access: secrets.keys,
    })
    doing('starting the proxy and the store')
    await settleAll([parts.startProxy(reach), parts.startStore(reach)])
    doing('starting functions')
    this.#deployer = this.#createDeployer(state, { engine, reach, languages, keys: secrets.keys })
    // The dispatcher waits for functions by itself, so it may start before they do.
    await Promise.all([this.#deployer.start(), parts.startDispatchers(), parts.startKeeper()])
    // Loading the compiler takes a second of a core: after the start, before the first deploy.
    void languages.warmUp().catch(() => undefined) // The first check tries again, and reports.
    this.#logs = boundLogs(home, () => this.view().parts.map(({ name }) => name))
  }

  #createDeployer(state: StateStore, { engine, reach, languages, keys }: DeployerParts): Deployer {
    const { home, options, logger } = this.#options
    const credentials = new Credentials(keys)
    const emit = (event: PlatformEvent) => void this.#events.emit('event', event)
    return new Deployer({
      home,
      engine,
      state,
      languages,
      secrets: this.secrets,
      routes: this.#routes,
      proxy: this.#routes,
      surroundings: () => ({
        proxyUrl: `http://${reach.proxyHost}:${state.current.ports['proxy']}`,
        storeUrl: `http://${reach.proxyHost}:${state.current.ports['store']}`,
        tokenOf: claims => credentials.functionToken(claims),
        deliveryTokenOf: route => credentials.deliveryToken(route),
        traces: this.observing.tracing(reach.proxyHost),
      }),
      now: () => nextChange({ url: `http://127.0.0.1:${state.current.ports['store']}`, token: keys.operator }),
      urlOf: route => `${this.#proxyUrl}${FUNCTIONS_PREFIX}${route}`,
      startTimeoutMs: options.startTimeoutMs,
      onChange: name => emit({ type: 'deployment-changed', name }),
      onRemoved: name => emit({ type: 'deployment-removed', name }),
      log: logger,
    })
  }

  async #serveApi(token: string): Promise<void> {
    const { home, version, build, options, logger } = this.#options
    const api = await createApi({ token, version, platform: this, dashboard: dashboardFolder(), logger })
    this.#closeApi = () => api.close()
    const wanted = this.#state!.current.ports['agent'] ?? options.agentPort
    try {
      await api.listen({ host: '127.0.0.1', port: wanted })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') throw await portTaken('agent', wanted)
      throw error
    }
    const { port } = api.server.address() as { port: number }
    await this.#state!.rememberPort('agent', port)
    await announceAgent(home, { port, project: options.project, version, ...(build !== undefined && { build }) })
  }

  #partChanged(name: PartView['name']): void {
    this.#events.emit('event', { type: 'platform-changed' })
    // It reads its last routes from disk; they may be older than what was published while it was down.
    if (name !== 'proxy' && !name.startsWith('dispatcher')) return
    void this.#deployer?.republish().catch(() => undefined) // The next change publishes again.
  }

  #setPhase(phase: PlatformView['phase']): void {
    this.#phase = phase
    this.#options.logger.info({ phase }, 'phase')
    this.#events.emit('event', { type: 'platform-changed' })
  }

  get #proxyUrl(): string {
    const address = this.#supervisor.views().find(({ name }) => name === 'proxy')?.address
    return `http://${address ?? `127.0.0.1:${this.#options.options.port}`}`
  }

  #engineView(): Pick<PlatformView, 'engine' | 'engineNote' | 'isolation' | 'capabilities'> {
    const engine = this.#engine
    // Until one is chosen: the one that is being tried.
    if (engine === undefined) return { engine: candidates(this.#options.options.engine)[0]!.kind, engineNote: '' }
    const { kind, note, isolation } = engine
    const warnings = [isolation.warning ?? [], this.#prepared?.warnings ?? []].flat()
    return { engine: kind, engineNote: [note, ...warnings].join('; '), isolation, capabilities: capabilitiesOf(engine) }
  }

  #ownView(): PartView {
    const { agent: port, collector } = this.#state?.current.ports ?? {}
    return {
      name: 'agent',
      state: 'running',
      pid: process.pid,
      restarts: 0,
      ...(port !== undefined && { address: `127.0.0.1:${port}` }),
      ...(collector !== undefined && { note: `takes traces (OTLP over HTTP) at 127.0.0.1:${collector}` }),
    }
  }

  /** Cleans up after a failed first start; errors here must not hide the reason of that failure. */
  async #takeBack(): Promise<void> {
    const paths = homePaths(this.#options.home)
    await rm(paths.options, { force: true })
    await this.#supervisor.stopAll().catch(() => undefined)
    await this.observing.close()
    await this.#engine?.cleanUp(false).catch(() => undefined)
    await rm(paths.agentFile, { force: true })
  }

  /** Closes everything but the API, which still has to respond. */
  async #closeKeepingApi(): Promise<void> {
    this.#logs?.close()
    await this.#engine?.close()
    await this.#languages?.close()
  }
}
