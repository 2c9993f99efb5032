/**
 * Functions as child processes: the default where Docker is not available. The same contract as containers, without
 * isolation: a function runs as the user who runs the agent. Memory is limited by its command and a watch
 * on the resident size; CPU and number of processes are not limited. See `../engine.ts` for the invariants.
 */
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ENV, type HandOver } from '@ryo-faas/runtime/protocol'
import { dockerfileOf, RyoFaasError } from '../../contract/index.ts'
import {
  endGroup,
  freePort,
  isAlive,
  isStopped,
  residentBytes,
  signalGroup,
  signalProcess,
  spawnDetached,
  waitForExit,
  type DetachedProcess,
} from '../../host/index.ts'
import type { Freezing, Logs } from '../capabilities.ts'
import type {
  BuiltPackage,
  CommandNeeds,
  Engine,
  Instance,
  InstanceReach,
  InstanceSpec,
  NativeSurroundings,
  Prepared,
} from '../engine.ts'
import { InstalledNodes } from '../installed-nodes.ts'
import { LogFiles } from '../log-files.ts'
import { modulesOf } from '../native-surroundings.ts'
import { writeCertificates } from '../certificate-file.ts'
import { ignoredNodes } from '../one-machine.ts'
import { imageGone, isFolder } from '../package-folder.ts'
import type { PoolSize } from '../pool/pool-size.ts'
import { writeSecrets } from '../secret-files.ts'
import { GivenPorts } from './given-ports.ts'
import { endOrphans } from './orphans.ts'
import { ProcessFreezing } from './process-freezing.ts'
import { PackageImages } from './package-images.ts'
import { ProcessPool, type WaitingProcess } from './process-pool.ts'
import { exitReason, outOfMemory, toInstance, type ProcessRecord } from './process-record.ts'
import { RecordFiles } from './record-files.ts'

export interface ProcessEngineOptions {
  project: string
  home: string
  /** Replaces `node` in commands: it need not be the one on the path. */
  nodePath: string
  /** Variables every function gets, e.g. PATH; never the agent's whole environment. */
  baseEnv: Record<string, string>
  /** Says where other Nodes are; default: `baseEnv`. */
  environment?: NodeJS.ProcessEnv
  note: string
  /** How long a process may take to open its port. */
  startTimeoutMs?: number
  /** Default: none. */
  pool?: PoolSize | undefined
}

const WATCH_INTERVAL_MS = 250

interface Following {
  signal: AbortSignal
  origin?: 'pool'
  /** It was told so; absent: it says where it listens. */
  port?: number | undefined
  hand?: () => void
}

export class ProcessEngine implements Engine {
  readonly kind = 'process'
  readonly note: string
  readonly isolation = {
    label: 'as processes, without isolation',
    warning: 'functions run as plain processes of this user, with no isolation; CPU is not limited',
  }
  readonly runsInPlace = true
  readonly images: PackageImages
  readonly logs: Logs
  readonly debug = { port: freePort }
  readonly pool?: ProcessPool
  /** Windows cannot stop a process. */
  readonly freeze: Freezing | undefined =
    process.platform === 'win32' ? undefined : new ProcessFreezing(id => this.#living(id))
  readonly #options: ProcessEngineOptions
  readonly #nodes: InstalledNodes
  readonly #logFiles: LogFiles
  readonly #files: RecordFiles
  readonly #records = new Map<string, ProcessRecord>()
  /** Ids of instances that this engine object started. */
  readonly #own = new Set<string>()
  #loaded: Promise<void> | undefined
  readonly #ports = new GivenPorts()
  #onChange: () => void = () => undefined
  #watchTimer: NodeJS.Timeout | undefined

  constructor(options: ProcessEngineOptions) {
    this.note = options.note
    this.#options = options
    const { nodePath: own, environment = options.baseEnv } = options
    this.#nodes = new InstalledNodes({ own, environment })
    this.images = new PackageImages(join(options.home, 'deployments'))
    this.#logFiles = new LogFiles(join(options.home, 'logs', 'functions'))
    this.#files = new RecordFiles(join(options.home, 'run', 'instances'))
    this.logs = {
      sources: route => this.#logFiles.sources(route),
      read: (source, query, signal) =>
        this.#logFiles.read({ ...source, isLive: async () => this.#isLive(source.id) }, query, signal),
      forget: route => this.#logFiles.remove(route),
    }
    const { pool } = options
    if (pool !== undefined) {
      this.pool = new ProcessPool({
        ...{ ...options, ...pool },
        nodePathOf: base => this.#nodes.pathOf(base),
        adopt: (waiting, spec, run) => this.#adopt(waiting, spec, run),
      })
    }
  }

  async prepare(): Promise<Prepared> {
    await this.#load()
    return { reach: { proxyHost: '127.0.0.1', listenHosts: [] }, warnings: [] }
  }

  codeFolderOf({ dir }: Pick<BuiltPackage, 'dir'>): string {
    return dir
  }

  /** The watch checks only now and then; a program that knows its limit collects garbage in time. */
  commandNeeds({ limits, debugPort }: Pick<InstanceSpec, 'limits' | 'debugPort'>): CommandNeeds {
    return {
      memoryMb: limits.memoryMb,
      ...(debugPort !== undefined && { debug: { host: '127.0.0.1', port: debugPort } }),
    }
  }

  /** @throws RyoFaasError NODE_NOT_FOUND, UNSUPPORTED for what only a container can be */
  async surroundings(base?: string): Promise<NativeSurroundings> {
    if (dockerfileOf(base) !== undefined) {
      throw new RyoFaasError('UNSUPPORTED', 'a Dockerfile needs Docker, and functions run as processes here', {
        hint: 'Start the platform with --engine docker, or name the program in "command".',
      })
    }
    return { modules: await modulesOf(await this.#nodes.pathOf(base)) }
  }

  ignored({ networks, egress, nodes }: InstanceReach & Pick<InstanceSpec, 'nodes'>): string[] {
    const fields = [networks !== undefined && '"networks"', egress === 'none' && '"egress"'].filter(Boolean)
    if (fields.length === 0) return ignoredNodes(nodes)
    const have = fields.length === 1 ? 'has' : 'have'
    const others = `${fields.join(' and ')} ${have} no effect without Docker: it reaches whatever this machine reaches`
    return [...ignoredNodes(nodes), others]
  }

  async start(spec: InstanceSpec, signal: AbortSignal): Promise<Instance> {
    if (signal.aborted) throw new RyoFaasError('CANCELLED', `starting ${spec.route} was cancelled`)
    await this.#load()
    if (!(await isFolder(spec.image))) throw imageGone(spec)
    const port = spec.isPlain ? await this.#ports.next([...this.#records.values()]) : undefined
    const env = await this.#environmentOf(spec, port)
    const certificates = await writeCertificates(this.#options.home, spec.certificates)
    const [program, ...args] = spec.command as [string, ...string[]]
    const { identity, exited } = await spawnDetached({
      command: program === 'node' ? await this.#nodes.pathOf(spec.base) : program,
      args,
      cwd: spec.image,
      env: {
        ...this.#options.baseEnv,
        ...(certificates !== undefined && { NODE_EXTRA_CA_CERTS: certificates }),
        ...env,
      },
      logFile: this.#logFiles.pathOf(spec.route, spec.id),
    })
    return this.#follow(spec, { identity, exited }, { signal, port })
  }

  /** The record precedes the code: without one it would never be found. */
  async #adopt(
    { process: { identity, exited, child }, logFile }: WaitingProcess,
    spec: Omit<InstanceSpec, 'image'>,
    { built, entry, signal }: { built: BuiltPackage; entry: string; signal: AbortSignal },
  ): Promise<Instance> {
    await this.#load()
    const env = await this.#environmentOf(spec)
    const log = this.#logFiles.pathOf(spec.route, spec.id)
    await mkdir(dirname(log), { recursive: true, mode: 0o700 })
    await rename(logFile, log)
    const handOver: HandOver = { entry, cwd: built.dir, env }
    const hand = () => void child.stdin!.end(JSON.stringify(handOver))
    return this.#follow(spec, { identity, exited }, { signal, origin: 'pool', hand })
  }

  /** Makes a process an instance; resolves when it listens. */
  async #follow(
    spec: Omit<InstanceSpec, 'image'>,
    { identity, exited }: Pick<DetachedProcess, 'identity' | 'exited'>,
    { signal, origin, port, hand }: Following,
  ): Promise<Instance> {
    const record: ProcessRecord = {
      id: spec.id,
      route: spec.route,
      version: spec.version,
      startedAt: new Date().toISOString(),
      ...(origin && { origin }),
      memoryMb: spec.limits.memoryMb,
      identity,
      ...(port !== undefined && { port, isPlain: true }),
    }
    this.#records.set(spec.id, record)
    this.#own.add(spec.id)
    void exited.then(({ code, signal }) => {
      if (record.isPlain) endGroup(identity.pid)
      return this.#noteExit(record, code, exitReason(record, code, signal))
    })
    try {
      await this.#files.save(record)
      hand?.()
      if (port === undefined) await this.#awaitPort(record, signal)
      return toInstance(record)
    } catch (error) {
      if (signal.aborted) {
        await this.stop(spec.id, 0)
        throw new RyoFaasError('CANCELLED', `starting ${spec.route} was cancelled`, { cause: error })
      }
      throw error
    }
  }

  async instance(id: string): Promise<Instance | undefined> {
    return (await this.instances()).find(instance => instance.id === id)
  }

  async instances(route?: string): Promise<Instance[]> {
    await this.#load()
    await this.#lookAtInherited()
    const listed = [...this.#records.values()]
      .filter(record => route === undefined || record.route === route)
      .filter(record => record.port !== undefined || record.exit)
    return Promise.all(
      listed.map(async record => toInstance(record, !record.exit && (await isStopped(record.identity)))),
    )
  }

  async stop(id: string, graceMs: number): Promise<void> {
    await this.#load()
    const record = this.#records.get(id)
    if (record) {
      await this.freeze?.thaw(id)
      const signal = record.isPlain ? signalGroup : signalProcess
      if (graceMs > 0 && (await signal(record.identity, 'SIGTERM'))) await waitForExit(record.identity, graceMs)
      if (await signal(record.identity, 'SIGKILL')) await waitForExit(record.identity, 5000)
      this.#records.delete(id)
      this.#own.delete(id)
      await this.#logFiles.enforceBounds(record.route)
    }
    await Promise.all([this.#files.remove(id), rm(this.#secretsDir(id), { recursive: true, force: true })])
  }

  watch(onChange: () => void): void {
    this.#onChange = onChange
    const round = () => void this.#watchRound().catch(() => undefined) // The next one tries again.
    this.#watchTimer = setInterval(round, WATCH_INTERVAL_MS)
    this.#watchTimer.unref()
  }

  /** End everything with a record first: without one it would never be found. */
  async cleanUp(): Promise<void> {
    await this.pool?.empty()
    await this.#load()
    await Promise.all([...this.#records.keys()].map(id => this.stop(id, 0)))
    await this.#files.removeAll()
  }

  async close(): Promise<void> {
    clearInterval(this.#watchTimer)
    await this.pool?.empty()
  }

  /** All variables but those of the machine. */
  async #environmentOf(
    { id, secrets, env }: Omit<InstanceSpec, 'image'>,
    port?: number,
  ): Promise<Record<string, string>> {
    const readyFile = this.#files.readyFile(id)
    await rm(readyFile, { force: true })
    const secretsDir = await writeSecrets(this.#secretsDir(id), secrets)
    return {
      ...secrets,
      ...env,
      ...(secretsDir !== undefined && { RYO_FAAS_SECRETS_DIR: secretsDir }),
      [ENV.host]: '127.0.0.1',
      ...(port === undefined
        ? { [ENV.port]: '0', [ENV.readyFile]: readyFile, [ENV.stampLogs]: '1' }
        : { [ENV.port]: String(port), PORT: String(port) }),
    }
  }

  async #living(id: string): Promise<ProcessRecord | undefined> {
    await this.#load()
    const record = this.#records.get(id)
    return record && !record.exit && (await isAlive(record.identity)) ? record : undefined
  }

  #isLive(id: string): boolean {
    const record = this.#records.get(id)
    return record !== undefined && record.exit === undefined
  }

  /** Instances of an earlier agent. */
  #load(): Promise<void> {
    return (this.#loaded ??= (async () => {
      for (const record of await this.#files.read()) {
        if (!this.#records.has(record.id)) this.#records.set(record.id, record)
      }
      await endOrphans(this.#options.home, id => this.#records.has(id))
    })())
  }

  async #watchRound(): Promise<void> {
    await this.#lookAtInherited()
    await this.#enforceMemory()
    const living = [...this.#records.values()].filter(({ exit }) => exit === undefined)
    await Promise.all(living.map(({ route, id }) => this.#logFiles.bound(route, id)))
  }

  /** Started by an earlier agent. Our own children have exit events, and `start` waits for their ports. */
  async #lookAtInherited(): Promise<void> {
    for (const record of this.#records.values()) {
      if (record.exit || this.#own.has(record.id)) continue
      if (!(await isAlive(record.identity))) {
        await this.#noteExit(record, null, 'died (how is unknown: an earlier agent started it)')
      } else if (record.port === undefined) {
        await this.#lookForPort(record)
      }
    }
  }

  /** That agent died before this instance was listening. */
  async #lookForPort(record: ProcessRecord): Promise<void> {
    const port = await this.#files.readPort(record.id)
    if (port !== undefined) {
      record.port = port
      this.#onChange()
    } else if (Date.now() > Date.parse(record.startedAt) + this.#startTimeoutMs) {
      if (await signalProcess(record.identity, 'SIGKILL')) await this.#noteExit(record, null, 'was not ready in time')
    }
  }

  async #enforceMemory(): Promise<void> {
    for (const record of this.#records.values()) {
      const resident = record.exit ? undefined : await residentBytes(record.identity.pid)
      if (resident === undefined || resident <= record.memoryMb * 1024 * 1024) continue
      if (await signalProcess(record.identity, 'SIGKILL')) {
        await this.#noteExit(record, null, outOfMemory(record))
      }
    }
  }

  async #noteExit(record: ProcessRecord, code: number | null, reason: string): Promise<void> {
    if (record.exit) return
    record.exit = { at: new Date().toISOString(), code, reason }
    if (this.#records.get(record.id) !== record) return
    // The disk may be full: the record in memory counts, and the next agent sees that the process is gone.
    await this.#files.save(record).catch(() => undefined)
    // It was stopped in between: the record just saved must not reappear.
    if (this.#records.get(record.id) !== record) await this.#files.remove(record.id).catch(() => undefined)
    else this.#onChange()
  }

  async #awaitPort(record: ProcessRecord, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + this.#startTimeoutMs
    for (;;) {
      signal.throwIfAborted() // Even if it is ready just now.
      const port = await this.#files.readPort(record.id)
      if (port !== undefined) {
        record.port = port
        return
      }
      if (record.exit)
        throw new RyoFaasError('START_FAILED', `${record.route} ${record.exit.reason} before it was ready`)
      if (performance.now() > deadline) throw new RyoFaasError('START_FAILED', `${record.route} was not ready in time`)
      await delay(2, undefined, { signal })
    }
  }

  get #startTimeoutMs(): number {
    return this.#options.startTimeoutMs ?? 30_000
  }

  #secretsDir(id: string): string {
    return join(this.#options.home, 'run', 'secrets', id)
  }
}
