/**
 * What runs function instances. Two implementations, `DockerEngine` and `ProcessEngine`, pass one contract test.
 *
 * Invariants of every engine:
 * 1. Instances outlive the agent: a new engine object over the same project finds them through `instances()`.
 * 2. `start` resolves when the instance has an address; whether it is ready, its health path says.
 * 3. `stop` is idempotent; afterwards the instance is gone, its output is kept (bounded) and readable through `logs`.
 * 4. An instance that died stays listed as `exited` (with its reason) until it is stopped.
 */
import type { EngineKind, LogLine } from '../contract/index.ts'
import type { ExtraHost } from '../host/index.ts'

/** What the builder made: a folder that holds everything a function needs at run time. */
export interface BuiltPackage {
  route: string
  /** Content hash; the same hash is the same code. */
  hash: string
  /** Absolute folder that becomes the code folder of instances. */
  dir: string
  /** Name of the base image that it runs on; default: `node`. */
  base?: string
}

export interface InstanceSpec {
  /** Unique, `[a-z0-9]+`. */
  id: string
  route: string
  version: number
  /** What `build` answered. */
  image: string
  /** Program and arguments, as the instance sees them; a program without a folder is found on its path. */
  command: string[]
  env: Record<string, string>
  /** Values by name; mounted as files and set as variables, over which `env` wins. */
  secrets: Record<string, string>
  limits: { memoryMb: number; cpus: number; pids: number }
  /** Port of the loopback interface on which a debugger may attach; absent: none may. */
  debugPort?: number
}

/** What the command of an instance has to say, because nothing outside the instance sees to it. */
export interface CommandNeeds {
  /** Where to let a debugger in, as the instance sees it. */
  debug?: InstanceAddress
  /** The limit, if the program itself has to keep to it. */
  memoryMb?: number
}

export interface InstanceAddress {
  host: string
  port: number
}

export interface Instance {
  id: string
  route: string
  version: number
  /** Container or process name. */
  name: string
  startedAt: string
  state:
    { kind: 'running'; address: InstanceAddress } | { kind: 'exited'; at: string; code: number | null; reason: string }
}

export interface ImageInfo {
  ref: string
  route: string
  hash: string
  sizeBytes: number
  createdAt: string
}

export interface LogQuery {
  follow: boolean
  /** ISO 8601. */
  since?: string
  /** At most this many of the newest lines. */
  tail?: number
}

export interface Engine {
  readonly kind: EngineKind
  /** What it is and, where that matters, what it does not do; one line. */
  readonly note: string
  /**
   * Addresses on which proxy, store and collector must listen besides their own so that functions reach them, and the
   * network of those functions: nobody else is to be served there. Known after `prepare`.
   */
  readonly proxyListenHosts: readonly ExtraHost[]
  /** Host name under which a function reaches the proxy. */
  readonly proxyHost: string

  /** Makes what all functions share: network, base image. Idempotent; `report` says what takes long. */
  prepare(report: (doing: string) => void): Promise<void>
  /** Folder in which an instance of a package finds its code, as the instance sees it. */
  codeFolderOf(built: Pick<BuiltPackage, 'dir'>): string
  /** Asked before `start`, to make the command of the instance. */
  commandNeeds(spec: Pick<InstanceSpec, 'limits' | 'debugPort'>): CommandNeeds
  /** The reference that `build` gives the image of a package. */
  imageOf(built: BuiltPackage): string
  /**
   * Makes an image of a package, or finds that it is there. Answers its reference.
   * @throws RyoFaasError VERSION_NOT_FOUND if neither the image nor the package's folder exists any more; UNSUPPORTED if
   *   this engine does not have its base image.
   */
  build(built: BuiltPackage, signal: AbortSignal): Promise<string>
  start(spec: InstanceSpec, signal: AbortSignal): Promise<Instance>
  /** Makes this instance the one that answers to the deployment's own name inside the private network. */
  promote(id: string): Promise<void>
  /** All of the project, or those of one deployment. */
  instances(route?: string): Promise<Instance[]>
  /** SIGTERM, SIGKILL after `graceMs`, then removal. */
  stop(id: string, graceMs: number): Promise<void>
  /** Ids of instances of a deployment, living or gone, whose output is kept; oldest first. */
  logSources(route: string): Promise<string[]>
  logs(source: { route: string; id: string }, query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine>
  /** Deletes the kept output of a deployment. */
  forgetLogs(route: string): Promise<void>
  /** Calls back after any instance died or was removed, or the engine itself came back; the caller looks again. */
  watch(onChange: () => void): void
  images(): Promise<ImageInfo[]>
  removeImage(ref: string): Promise<void>
  /** Removes what `prepare` made. */
  cleanUp(removeImages: boolean): Promise<void>
  /** Stops watching; instances go on. */
  close(): Promise<void>
}
