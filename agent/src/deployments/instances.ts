/** Starting and draining instances of one version: the two steps of every operation of the deployer. */
import { randomBytes } from 'node:crypto'
import { isAbsolute } from 'node:path'
import { ENV } from '@ryo-faas/runtime/protocol'
import { DeployEntry, RyoFaasError, type BootFacts } from '../contract/index.ts'
import type { BuiltPackage, Engine, Instance, InstanceSpec } from '../engines/index.ts'
import type { Languages } from '../languages/index.ts'
import type { SecretStore } from '../secrets/index.ts'
import type { DeploymentRecord, VersionRecord } from './state/index.ts'
import { instanceEnvironment, type Surroundings } from './environment.ts'
import type { Fleet } from './fleet.ts'
import { TAIL_LINES, tellingLines } from './last-output.ts'
import { askServed, isPlain, proofTo, readinessOf, waitUntilReady } from './readiness.ts'
import type { RoutePublisher } from './route-publisher.ts'
import type { VersionImages } from './version-images.ts'

const PIDS_LIMIT = 128
const MAX_DRAIN_MS = 60_000

type Started = Pick<DeploymentRecord, 'name' | 'route' | 'debugPort'>

export interface StartOptions {
  count: number
  signal: AbortSignal
  /** Called for each instance that is ready. */
  onBoot?: (facts: BootFacts) => void
}

export interface InstancesOptions {
  engine: Engine
  languages: Languages
  fleet: Fleet
  publisher: RoutePublisher
  images: VersionImages
  secrets: SecretStore
  surroundings: () => Surroundings
  startTimeoutMs: number
}

export class Instances {
  readonly #options: InstancesOptions

  constructor(options: InstancesOptions) {
    this.#options = options
  }

  /**
   * Starts `count` instances and waits until all are ready. All or none: if one fails, the others are removed.
   * @throws RyoFaasError START_FAILED with the last lines it wrote; CANCELLED.
   */
  async start(record: Started, version: VersionRecord, options: StartOptions): Promise<Instance[]> {
    const built = this.#builtOf(record, version)
    // Once, not once per instance; not at all if all come from the pool.
    let image: Promise<unknown> | undefined
    const ensureImage = () => (image ??= this.#options.images.ensure(built, options.signal))
    const outcomes = await Promise.allSettled(
      Array.from({ length: options.count }, () => this.#startOne(record, version, { ...options, built, ensureImage })),
    )
    const started = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    const failed = outcomes.find(outcome => outcome.status === 'rejected')
    if (!failed) return started
    await Promise.all(started.map(({ id }) => this.#options.engine.stop(id, 0)))
    throw failed.reason
  }

  /**
   * A running service reports its routes, and a function with a schedule whether it takes that as an event. If it does not, its instances are removed.
   * @throws RyoFaasError START_FAILED
   */
  async withServed(version: VersionRecord, started: Instance[]): Promise<VersionRecord> {
    const [first] = started
    const mustTell = version.kind === 'service' || (version.config.schedule.length > 0 && !isPlain(version))
    if (!mustTell || first?.state.kind !== 'running') return version
    const { surroundings } = this.#options
    try {
      const { served, isScheduled } = await askServed(
        first.state.address,
        proofTo(first.id, surroundings().instanceKeyOf),
      )
      return { ...version, ...(served && { served }), ...(isScheduled && { isScheduled }) }
    } catch (error) {
      await Promise.all(started.map(({ id }) => this.#options.engine.stop(id, 0)))
      throw error
    }
  }

  /**
   * Removes instances from the routes, then drains and removes them. Resolves once no new call can reach them; the
   * draining continues in `fleet.drained()`.
   */
  async retire(instances: Instance[], version: VersionRecord | undefined): Promise<void> {
    const { engine, fleet, publisher } = this.#options
    for (const { id } of instances) fleet.forgetKept(id)
    const served = instances.map(({ id }) => fleet.unmark(id)).some(Boolean)
    if (served) await publisher.publish()
    const graceMs = drainMsOf(version) + 2000
    for (const { id } of instances) void fleet.drain(id, engine.stop(id, graceMs)).catch(() => undefined)
  }

  #builtOf({ route }: Started, version: VersionRecord): BuiltPackage {
    return { ...version, route, base: version.base ?? this.#options.languages.named(version.language).base }
  }

  /** From here on instances wait, if the engine can: for those that are deployed, and for a function with no settings. */
  openPool(deployed: readonly VersionRecord[]): void {
    const { engine, languages } = this.#options
    if (engine.pool === undefined) return
    const plain = DeployEntry.parse({ name: 'any', packageDir: '/', filePath: '/any.ts' })
    const likely = [plain, ...deployed.map(({ config }) => config)]
    const { certificates } = this.#options.surroundings()
    engine.pool.open(
      likely
        .filter(config => languages.problemOf(config) === undefined && !isPlain(languages.of(config)))
        .map(config => {
          const limits = limitsOf(config)
          return {
            command: languages.of(config).command({ folder: '', entry: '' }, engine.commandNeeds({ limits })),
            limits,
            certificates: [certificates, config.ca].filter(Boolean).join(''),
          }
        }),
    )
  }

  async #startOne(
    record: Started,
    version: VersionRecord,
    { signal, onBoot, built, ensureImage }: StartOptions & { built: BuiltPackage; ensureImage: () => Promise<unknown> },
  ): Promise<Instance> {
    const { engine, languages, images, startTimeoutMs } = this.#options
    const spec = await this.#specOf(record, version)
    const steps = new Steps()
    let timeout: AbortSignal | undefined
    const startFrom = (image: string) => {
      // Rebuilding an image does not count against the function's start timeout.
      timeout = AbortSignal.timeout(startTimeoutMs)
      return engine.start({ ...spec, image }, AbortSignal.any([signal, timeout]))
    }
    try {
      const taken = await engine.pool?.take(spec, built, signal)
      if (taken !== undefined) steps.end('asking the pool')
      let instance: Instance
      if (taken?.kind === 'taken') {
        instance = taken.instance
        steps.rename('handing over code, variables and secrets')
      } else {
        await ensureImage()
        steps.end('the image')
        instance = await images.startFrom(built, startFrom, signal)
        steps.end('creating and starting it')
      }
      const readiness = readinessOf(version, this.#options.surroundings().instanceKeyOf)
      await waitUntilReady(engine, instance, { timeoutMs: startTimeoutMs, signal, readiness })
      steps.end('booting, until it answers')
      const why = taken?.kind === 'none' ? { why: taken.why } : {}
      onBoot?.({ origin: instance.origin ?? 'new', ...why, steps: steps.all })
      return instance
    } catch (error) {
      const failure = RyoFaasError.from(error, 'ENGINE_FAILED')
      const logs = await this.#lastLines(record.route, spec.id)
      await engine.stop(spec.id, 0)
      if (signal.aborted) throw new RyoFaasError('CANCELLED', `starting ${record.name} was cancelled`, { cause: error })
      const timedOut = failure.code === 'CANCELLED' && timeout?.aborted === true
      const code = timedOut ? 'START_FAILED' : failure.code
      const { packageDir } = version.config
      const loaded = { codeFolder: engine.codeFolderOf(version), packageDir }
      // The sources of what was built elsewhere are not here.
      const hasSources = isAbsolute(packageDir)
      const thrown = hasSources ? languages.named(version.language).loadProblem?.(logs, loaded) : undefined
      const message = timedOut ? `it was not ready within ${startTimeoutMs} ms` : (thrown?.message ?? failure.message)
      throw new RyoFaasError(code, `${record.name} did not start: ${message}`, {
        ...(failure.hint !== undefined && { hint: failure.hint }),
        ...(thrown && { problems: [thrown] }),
        logs,
        cause: error,
      })
    }
  }

  async #specOf(record: Started, version: VersionRecord): Promise<Omit<InstanceSpec, 'image'>> {
    const { engine, languages, secrets: secretStore } = this.#options
    const language = languages.named(version.language)
    const id = randomBytes(5).toString('hex')
    const { config } = version
    const secrets = await secretStore.values(config.secrets)
    const missing = config.secrets.filter(name => !(name in secrets))
    if (missing.length > 0) {
      throw new RyoFaasError('SECRET_NOT_FOUND', `${record.name} needs the secret ${missing.join(', ')}`, {
        hint: `Set it with: ryo-faas secrets set ${missing[0]}`,
      })
    }
    const debug = record.debugPort !== undefined && { debugPort: record.debugPort }
    const limits = limitsOf(config)
    const surroundings = this.#options.surroundings()
    const { certificates } = surroundings
    const { base, entry } = version
    const runnable = { folder: engine.codeFolderOf(version), entry, base, command: config.command }
    return {
      id,
      route: record.route,
      version: version.version,
      command: language.command(runnable, engine.commandNeeds({ ...debug, limits })),
      base: base ?? language.base,
      ...(isPlain(version) && { isPlain: true }),
      env: {
        ...instanceEnvironment(record.name, version, {
          id,
          debugPort: record.debugPort,
          ...surroundings,
        }),
        [ENV.drainMs]: String(drainMsOf(version)),
      },
      secrets,
      limits,
      certificates: [certificates, config.ca].filter(Boolean).join(''),
      reach: { networks: config.networks, egress: config.egress },
      nodes: config.nodes,
      ...debug,
    }
  }

  async #lastLines(route: string, id: string): Promise<string[]> {
    const lines: string[] = []
    const { logs } = this.#options.engine
    if (logs === undefined) return lines
    try {
      const query = { follow: false, tail: TAIL_LINES }
      for await (const { line } of logs.read({ route, id }, query, AbortSignal.timeout(5000))) lines.push(line)
    } catch {
      // The failure itself matters more than its log; it is being reported already.
    }
    return tellingLines(lines)
  }
}

/** How long one thing after the other took. */
class Steps {
  readonly all: BootFacts['steps'] = []
  #since = performance.now()

  end(doing: string): void {
    const now = performance.now()
    this.all.push({ doing, ms: now - this.#since })
    this.#since = now
  }

  /** What the last one turned out to be. */
  rename(doing: string): void {
    this.all.at(-1)!.doing = doing
  }
}

function limitsOf({ memoryMb, cpus }: VersionRecord['config']): InstanceSpec['limits'] {
  return { memoryMb, cpus, pids: PIDS_LIMIT }
}

/** An instance may finish its calls, none of which may exceed its timeout. */
export function drainMsOf(version: VersionRecord | undefined): number {
  return Math.min(version?.config.timeoutMs ?? 10_000, MAX_DRAIN_MS)
}
