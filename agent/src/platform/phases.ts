/**
 * The start of the platform in phases: each is given the started things of those before it. What a phase starts it adds
 * to `launch.started`, in the order in which the rest stands on it.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Credentials, instanceKey } from '../access/index.ts'
import type { PlatformEvent } from '../contract/index.ts'
import { Deployer, type DeployerOptions } from '../deployments/index.ts'
import { activeVersion } from '../deployments/state/index.ts'
import { DockerService } from '../docker/index.ts'
import {
  capabilitiesOf,
  chooseEngine,
  engineBefore,
  MovingEngine,
  type Engine,
  type EngineChoice,
  type ProxyReach,
} from '../engines/index.ts'
import { trustedCertificates } from './certificates.ts'
import { settleAll } from '../host/index.ts'
import { type Languages } from '../languages/index.ts'
import { PackageStore } from '../packages/index.ts'
import type { Route } from '../routes/index.ts'
import { ProcessPart, type Supervisor } from '../supervisor/index.ts'
import { boundLogs } from './bounded-logs.ts'
import { keeperArgs } from './entries.ts'
import { languagesHere } from './languages-here.ts'
import { startListening, startPart, type Launch } from './launch.ts'
import { FrontCertificates } from './front-certificates.ts'
import { requireCertificates } from './https-front.ts'
import { findNode } from './node-binary.ts'
import type { Observing } from './observing.ts'
import type { PlatformOptions } from './options.ts'
import { startNats, type StartedNats } from './parts/nats.ts'
import { servicePart, type Service } from './parts/service-part.ts'
import { dispatcherServices, proxyService, sharedLimits, storeService, type ServiceContext } from './parts/services.ts'
import { nextChange } from './store-log.ts'

/** How long an engine may be silent that has just been prepared. */
const START_PATIENCE_MS = 30_000
/** One that was prepared ahead may wait for a machine that is gone; another agent is to lead within five seconds. */
const LEAD_PATIENCE_MS = 500

const WARM_UP_MS = 100

export interface Foundation {
  nodePath: string
  engine: Engine
  /** How functions reach the platform. */
  reach: ProxyReach
  languages: Languages
  nats: StartedNats
  /** Of authorities that functions trust in addition, as PEM. */
  certificates: string
}

/** What functions run on, and NATS. */
export async function startFoundation(launch: Launch): Promise<Foundation> {
  const { home, options, environment, runtimeDir, started, report, engineAhead } = launch
  const [nodePath, certificates] = await Promise.all([
    findNode(options.node),
    trustedCertificates(options.ca, environment),
    requireCertificates(home.folder, options),
  ])
  const docker = new DockerService(environment)
  const runsOn = home.isAdopted ? home.state.current.engine : undefined
  const choice = { ...options, home: home.folder, nodePath, environment, docker, runsOn, runtimeDir }
  const chosen = await movingFrom(launch, engineAhead?.engine ?? (await chooseEngine(choice)), choice)
  const engine = launch.guard?.(chosen) ?? chosen
  started.add({ close: () => engine.close(), end: prune => engine.cleanUp(prune).then(() => []) })
  reportEngine(launch, engine, [])
  const languages = languagesHere({
    ...{ home: home.folder, environment, runtimeDir },
    surroundings: (base?: string) => engine.surroundings(base),
  })
  started.add(languages)
  report.doing('starting NATS and preparing the engine')
  const prepare = async () => {
    const ahead = chosen === engineAhead?.engine ? engineAhead.prepared : undefined
    const { reach, warnings } = ahead ?? (await engine.prepare(report.doing))
    reportEngine(launch, engine, warnings)
    return reach
  }
  const { timeline } = launch
  const [nats, reach] = await settleAll([
    timeline.measure('NATS and its streams', () => startNats(launch, docker)),
    timeline.measure('engine', prepare),
  ])
  return { nodePath, engine, reach, languages, nats, certificates }
}

/**
 * The chosen engine or, if an earlier agent left instances on another one, both until these are replaced. Until then the
 * state names the other one: an agent that comes in between goes on with the move.
 */
async function movingFrom({ home, logger }: Launch, chosen: Engine, choice: EngineChoice): Promise<Engine> {
  const { state } = home
  const note = async () => {
    if (state.current.engine !== chosen.kind) await state.update(next => void (next.engine = chosen.kind))
  }
  const before = await engineBefore(chosen, choice)
  if (before === undefined) {
    await note()
    return chosen
  }
  logger.info({ from: before.kind, to: chosen.kind }, 'moving to another engine')
  return new MovingEngine({
    ...{ from: before, to: chosen },
    onLeft: async () => {
      await note()
      logger.info({ from: before.kind, to: chosen.kind }, 'moved to another engine')
    },
    onFailure: error => logger.warn({ err: error, engine: before.kind }, 'the engine before could not be cleaned up'),
  })
}

export interface DataPlane {
  context: ServiceContext
  ports: { proxy: number; store: number }
  /** What was published last, by whatever agent, if that was kept. */
  lastRoutes: () => Promise<readonly Route[] | undefined>
}

/** The proxy and the store: from here on functions that already run are called. */
export async function startDataPlane(
  launch: Launch,
  { nodePath, engine, reach, nats }: Foundation,
  { partTracing }: Observing,
): Promise<DataPlane> {
  const { home, options, environment, ahead } = launch
  const { folder, state, secrets } = home
  launch.report.doing('starting the proxy and the store')
  const { version, term } = launch
  const context = {
    ...{ home: folder, version, options, state, secrets, nats: nats.access, reach, term },
    traces: partTracing,
  }
  const start = (service: Service) =>
    startListening(
      launch,
      servicePart(service, { home: folder, nodePath, environment, ahead, release: releaseAt(launch, reach) }),
    )
  // Agents on other machines lead later, and see the same instances.
  const isKept = term !== undefined && engine.isShared === true
  const opened = startFarProxies(launch, context, isKept)
  const lastRoutes = isKept ? readLastRoutes(launch, opened) : async () => undefined
  const [proxy, store] = await settleAll([start(proxyService(context)), start(storeService(context))])
  return { context, ports: { proxy, store }, lastRoutes }
}

/** @param opened resolves when they can be asked for */
function readLastRoutes({ routes, engineAhead }: Launch, opened: Promise<void>): DataPlane['lastRoutes'] {
  const read = () => opened.then(() => routes.far.lastTable())
  // By one that stood by they are needed at once if the engine is silent: reading takes as long as the parts do.
  let early = engineAhead === undefined ? undefined : read()
  early?.catch(() => undefined)
  return async () => {
    const reading = early ?? read()
    early = undefined
    return (await reading)?.routes
  }
}

/** Proxies on other machines, from the moment that they are heard. */
function startFarProxies(
  { home, events, logger, routes, started }: Launch,
  { nats, options }: ServiceContext,
  isKept: boolean,
): Promise<void> {
  const abort = new AbortController()
  const opened = routes.far.open(
    {
      nats,
      key: home.secrets.proxyKey,
      settings: { access: home.secrets.keys, ...sharedLimits(options) },
      isKept,
      onTrouble: reason => logger.warn({ reason }, 'proxies on other machines get their routes later'),
      onChange: () => events.emit('event', { type: 'platform-changed' }),
    },
    abort.signal,
  )
  opened.catch(() => undefined) // Only if it was aborted.
  started.add({
    close: async () => {
      abort.abort()
      await opened.catch(() => undefined)
      await routes.far.close()
    },
  })
  return opened
}

/** Functions, dispatchers that run calls in the background, and the keeper of this process. */
export async function startControlPlane(
  launch: Launch,
  { nodePath, engine, reach, languages, certificates }: Foundation,
  { dataPlane, observing }: { dataPlane: DataPlane; observing: Observing },
): Promise<Deployer> {
  const { home, environment, ahead, routes, started, supervisor } = launch
  launch.report.doing('starting functions')
  const deployer = createDeployer(launch, { engine, reach, languages, certificates }, { dataPlane, observing })
  launch.metrics.addFunctions(deployer)
  supervisor.events.on('changed', name => {
    // It reads its last routes from disk; they may be older than what was published while it was down.
    if (name !== 'proxy' && !name.startsWith('dispatcher')) return
    void deployer.republish().catch(() => undefined) // The next change publishes again.
  })
  const { context, ports } = dataPlane
  const urls = { proxyUrl: localUrl(ports.proxy), storeUrl: localUrl(ports.store) }
  const dispatchers = dispatcherServices(context, urls)
  const parts = [
    ...dispatchers.map(each =>
      servicePart(each, { home: home.folder, nodePath, environment, ahead, release: releaseAt(launch, reach) }),
    ),
  ]
  const partsRun = Promise.all([...parts.map(part => startPart(launch, part)), startKeeper(launch)])
  // Added last, because functions end before the parts that work for them.
  started.add(routes, { close: () => deployer.close(), end: () => deployer.stopInstances() })
  // The dispatcher waits for functions by itself, so it may start before they do.
  await Promise.all([launch.timeline.measure('functions', () => deployer.start()), partsRun])
  // Loading the compiler takes a second of a core: when whoever started this was told that it runs, before the first deploy.
  // Where an agent before this one has left parts, nobody has started a platform to deploy something, and that second belongs
  // to what comes back.
  if (ahead !== undefined) {
    const warmUp = () => void languages.warmUp().catch(() => undefined) // The first check tries again, and reports.
    const warming = setTimeout(warmUp, WARM_UP_MS).unref()
    started.add({ close: () => clearTimeout(warming) })
  }
  const names = supervisor.views().map(({ name }) => name)
  started.add(boundLogs(home.folder, ['agent', ...names]))
  return deployer
}

/** Once: one that stands by has it already. */
export async function startKeeper(launch: Launch): Promise<void> {
  const { home, environment, supervisor } = launch
  if (supervisor.views().some(({ name }) => name === 'keeper')) return
  const keeper = new ProcessPart({
    name: 'keeper',
    home: home.folder,
    command: process.execPath,
    args: keeperArgs(home.folder),
    env: environment,
    note: 'brings the agent back if it dies',
    graceMs: 2000,
    probe: async () => '',
  })
  await startPart(launch, keeper)
}

/** Certificates of HTTPS in front; undefined without. The first ones are waited for by nobody. */
export async function startCertificates(
  launch: Launch,
  { certificates }: Foundation,
): Promise<FrontCertificates | undefined> {
  const { home, options, logger, events, metrics, started } = launch
  if (options.https === 'off') return undefined
  const { state } = home
  const found = await FrontCertificates.start({
    ...{ home: home.folder, options, trusted: certificates, log: logger },
    domains: () =>
      Object.values(state.current.deployments).flatMap(record => activeVersion(record).config.domains ?? []),
    onChange: () => events.emit('event', { type: 'platform-changed' }),
  })
  metrics.addCertificates(found)
  const look = ({ type }: PlatformEvent): void => {
    if (type === 'deployment-changed') found.check()
  }
  events.on('event', look)
  started.add(found, { close: () => void events.off('event', look) })
  return found
}

/** Parts that listen elsewhere, or for other machines, are replaced as those of another release are. */
function releaseAt({ release }: Launch, { listenHosts }: ProxyReach): string {
  return `${release} ${createHash('sha256').update(JSON.stringify(listenHosts)).digest('hex').slice(0, 8)}`
}

function localUrl(port: number): string {
  return `http://127.0.0.1:${port}`
}

/** Where callers reach the proxy; until it runs, where it is to be. */
export function proxyUrlOf(supervisor: Supervisor, { port }: PlatformOptions): string {
  const address = supervisor.views().find(({ name }) => name === 'proxy')?.address
  return `http://${address ?? `127.0.0.1:${port}`}`
}

function createDeployer(
  launch: Launch,
  { engine, reach, languages, certificates }: Pick<Foundation, 'engine' | 'reach' | 'languages' | 'certificates'>,
  { dataPlane, observing }: { dataPlane: DataPlane; observing: Observing },
): Deployer {
  const { home, options, secrets, routes, events, supervisor, logger } = launch
  const { keys } = home.secrets
  const credentials = new Credentials(keys)
  const surroundings: ReturnType<DeployerOptions['surroundings']> = {
    proxyUrl: `http://${reach.proxyHost}:${dataPlane.ports.proxy}`,
    storeUrl: `http://${reach.proxyHost}:${dataPlane.ports.store}`,
    tokenOf: claims => credentials.functionToken(claims),
    deliveryTokenOf: route => credentials.deliveryToken(route),
    ...((engine.isExposed === true || engine.wasExposed === true) && {
      instanceKeyOf: (id: string) => instanceKey(keys.functions, id),
    }),
    isExposed: engine.isExposed === true,
    traces: observing.functionTracing,
    certificates,
  }
  return new Deployer({
    home: home.folder,
    version: launch.version,
    engine,
    state: home.state,
    languages,
    packages: new PackageStore(join(home.folder, 'packages')),
    secrets,
    routes,
    proxy: routes,
    demand: [routes, routes.far],
    queues: routes.dispatchers,
    surroundings: () => surroundings,
    now: () => nextChange({ url: localUrl(dataPlane.ports.store), token: keys.operator }),
    clock: { option: options.clock, isAdopted: home.isAdopted, followers: routes.dispatchers },
    urlOf: path => proxyUrlOf(supervisor, options) + path,
    startTimeoutMs: options.startTimeoutMs,
    maxInstances: options.maxInstances,
    patienceMs: launch.engineAhead === undefined ? START_PATIENCE_MS : LEAD_PATIENCE_MS,
    lastRoutes: dataPlane.lastRoutes,
    isHeld: launch.isHeld,
    onWaiting: () => events.emit('event', { type: 'platform-changed' }),
    onChange: name => events.emit('event', { type: 'deployment-changed', name }),
    onColdStart: (name, kind) => launch.metrics.countColdStart(name, kind),
    onRemoved: name => events.emit('event', { type: 'deployment-removed', name }),
    log: logger,
  })
}

function reportEngine({ report }: Launch, engine: Engine, warnings: readonly string[]): void {
  const { kind, note, isolation } = engine
  const engineNote = [note, isolation.warning ?? [], ...warnings].flat().join('; ')
  report.engine({ engine: kind, engineNote, isolation, capabilities: capabilitiesOf(engine) })
}
