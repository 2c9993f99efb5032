/**
 * What runs function instances. The core is small; what only some engines can do is an optional capability
 * (`capabilities.ts`), so no code has to ask which engine it is. All pass one contract test.
 *
 * Invariants of every engine:
 * 1. Instances outlive the agent: a new engine object over the same project finds them through `instances()`.
 * 2. `start` resolves when the instance has an address; its health path tells whether it is ready.
 * 3. `stop` is idempotent; afterwards the instance is gone.
 * 4. An instance that died stays listed as `exited` (with its reason) until it is stopped.
 * 5. An instance that is frozen, by whoever it was, is listed as `frozen`, and `stop` ends it like any other.
 */
import type { EngineKind, Isolation, RyoFaasError } from '../contract/index.ts'
import type { ExtraHost } from '../host/index.ts'
import type { EngineCapabilities } from './capabilities.ts'

/** The result of the builder: a folder with everything a function needs at run time. */
export interface BuiltPackage {
  route: string
  /** Content hash; the same hash is the same code. */
  hash: string
  /** Absolute folder that becomes the code folder of instances. */
  dir: string
  /** What its command runs on (`contract/run-base.ts`); default: `node`. */
  base?: string | undefined
}

export interface InstanceSpec {
  /** Unique, `[a-z0-9]+`. */
  id: string
  route: string
  version: number
  /** The result of `images.build`; for an engine without images the package's `dir`. */
  image: string
  /**
   * Program and arguments, as the instance sees them; a program without a folder is searched on the path. Empty: what the
   * image says.
   */
  command: string[]
  /** As in the package. */
  base?: string
  /** It knows nothing of our variables: it is told by `PORT` where to listen, and its address is known at once. */
  isPlain?: boolean
  env: Record<string, string>
  /** Values by name; mounted as files and set as variables, over which `env` wins. */
  secrets: Record<string, string>
  limits: { memoryMb: number; cpus: number; pids: number }
  /** Of authorities that it trusts in addition to the public ones, as PEM. */
  certificates?: string
  reach?: InstanceReach
  /** Conditions on the machine, as in deploy.json; for engines with several. */
  nodes?: string | undefined
  /** Loopback port for a debugger, chosen by `debug.port`; absent: none. Ignored without that capability. */
  debugPort?: number
}

/** What an instance reaches, where the engine has a say in it. */
export interface InstanceReach {
  /** Existing networks that it joins, by name. */
  networks?: readonly string[] | undefined
  /** `none`: nothing beyond the platform and these networks. Default: as the platform says. */
  egress?: 'internet' | 'none' | undefined
}

/** What only the command of an instance can enforce. */
export interface CommandNeeds {
  /** Where a debugger may attach, as the instance sees it. */
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
  /** Where it runs, if the engine has several machines. */
  machine?: string
  /** It reaches the platform on a machine whose agent started it, and not on this one. */
  isStranded?: true
  /** For one out of the pool: when it was handed its code. */
  startedAt: string
  /** Absent: it was started for this deployment. */
  origin?: 'pool'
  /** On an engine that the platform is about to leave: it serves until another one can. */
  isLeaving?: true
  state:
    | { kind: 'running'; address: InstanceAddress }
    | { kind: 'frozen'; address: InstanceAddress }
    | { kind: 'exited'; at: string; code: number | null; reason: string }
}

/** How functions reach the platform's listeners. */
export interface ProxyReach {
  /** Host name under which a function reaches the proxy, the store and the collector. */
  proxyHost: string
  /**
   * Addresses on which these must listen besides their own, and the network of the functions that connect there: no
   * other client may be served.
   */
  listenHosts: readonly ExtraHost[]
}

/** Known only once everything that functions share exists. */
export interface Prepared {
  reach: ProxyReach
  /** What should hold but does not on this machine, for users to read. */
  warnings: readonly string[]
}

/** What native code finds where instances run; absent: unknown. */
export interface NativeSurroundings {
  /** Their operating system, as Node names it, if it may differ from that of this machine. */
  system?: string
  /** NODE_MODULE_VERSION of their Node. */
  modules?: string
  /** File names of the shared libraries in their image. */
  libraries?: ReadonlySet<string>
}

export interface Engine extends EngineCapabilities {
  readonly kind: EngineKind
  /** Its version, or why it was chosen; one line. */
  readonly note: string
  readonly isolation: Isolation
  /** Instances run in the folder of their package itself, and could write there. */
  readonly runsInPlace: boolean
  /** Agents on other machines see the same instances. */
  readonly isShared?: boolean
  /** Others than the platform reach the addresses of instances: these are given a key, which connections show. */
  readonly isExposed?: boolean
  /** Some have such a key that this engine did not give them. */
  readonly wasExposed?: boolean

  /** Creates what all functions share: network, base image. Idempotent; `report` announces slow steps. */
  prepare(report: (doing: string) => void): Promise<Prepared>
  /** The code folder of a package's instances, as they see it. */
  codeFolderOf(built: Pick<BuiltPackage, 'dir'>): string
  /** Called before `start`, to build the command of the instance. */
  commandNeeds(spec: Pick<InstanceSpec, 'limits' | 'debugPort'>): CommandNeeds
  /** @throws RyoFaasError NODE_NOT_FOUND, UNSUPPORTED if nothing on this base can run here */
  surroundings(base?: string): Promise<NativeSurroundings>
  /** What of this has no effect here, for users to read. */
  ignored?(wishes: InstanceReach & Pick<InstanceSpec, 'nodes'>): string[]
  /** @throws RyoFaasError IMAGE_GONE if there is nothing to start from, NODE_NOT_FOUND, CANCELLED, START_FAILED, ENGINE_FAILED */
  start(spec: InstanceSpec, signal: AbortSignal): Promise<Instance>
  /** Gives this instance the deployment's own name, where instances have names. */
  promote?(id: string): Promise<void>
  /** `undefined`: it does not exist, or was stopped. */
  instance(id: string): Promise<Instance | undefined>
  /** All instances of the project, or those of one deployment. */
  instances(route?: string): Promise<Instance[]>
  /** Asks it to exit, kills it after `graceMs`, then removes it. */
  stop(id: string, graceMs: number): Promise<void>
  /** Why it does not answer, most likely, while it does not. */
  silence?(): RyoFaasError
  /** Calls back after any instance died or was removed, or the engine came back; the caller looks again. */
  watch(onChange: () => void): void
  /** Removes what `prepare` created, and what is left of instances. */
  cleanUp(removeImages: boolean): Promise<void>
  /** Stops watching; instances keep running. */
  close(): Promise<void>
}
