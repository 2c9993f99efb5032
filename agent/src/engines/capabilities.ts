/**
 * What an engine may do beyond running instances. Each capability is a property that is there or not: code that needs
 * one checks for it, never for the name of an engine, and users see what the engine has.
 */
import { ENGINE_CAPABILITIES, RyoFaasError, type EngineCapability, type LogLine } from '../contract/index.ts'
import type { BuiltPackage, Engine, Instance, InstanceSpec } from './engine.ts'

export interface EngineCapabilities {
  /** Packages become images, which are kept and listed; without it instances start from the package's folder. */
  readonly images?: Images
  /** The output of instances is kept, also after their end (bounded). */
  readonly logs?: Logs
  readonly debug?: Debugging
  /** Instances can be frozen: they keep their memory and their address, and take no time of a processor. */
  readonly freeze?: Freezing | undefined
  /** Instances without code are kept waiting; absent if none are wanted. */
  readonly pool?: Pool
}

export interface ImageInfo {
  ref: string
  route: string
  hash: string
  sizeBytes: number
  createdAt: string
}

export interface Images {
  /** The reference of a package's image, as `build` returns it. */
  refOf(built: BuiltPackage): string
  /**
   * Builds the image of a package unless it exists. Returns its reference.
   * @throws RyoFaasError VERSION_NOT_FOUND if neither the image nor the package's folder exists any more.
   */
  build(built: BuiltPackage, signal: AbortSignal): Promise<string>
  list(): Promise<ImageInfo[]>
  /** A missing image is not an error. */
  remove(ref: string): Promise<void>
}

export interface LogQuery {
  follow: boolean
  /** ISO 8601. */
  since?: string
  /** At most this many of the newest lines. */
  tail?: number
}

export interface LogSource {
  route: string
  /** Id of the instance. */
  id: string
}

export interface Logs {
  /** Ids of instances of a deployment, live or gone, whose output is kept; oldest first. */
  sources(route: string): Promise<string[]>
  read(source: LogSource, query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine>
  /** Deletes the kept output of a deployment. */
  forget(route: string): Promise<void>
}

export interface Debugging {
  /** Chooses a port of this machine's loopback interface, for `InstanceSpec.debugPort`. */
  port(): Promise<number>
}

/** An instance that came out of the pool, or why none did: continues “not from the pool: …”. */
export type Taken = { kind: 'taken'; instance: Instance } | { kind: 'none'; why: string }

/**
 * Invariants: 1. A waiting instance is locked down like any other. 2. It becomes one instance of one deployment, once.
 * 3. Until then `instances` does not list it; from then on it is an instance like those of `start`.
 */
export interface Pool {
  /** From here on instances wait, first for functions like these. */
  open(wishes: readonly Pick<InstanceSpec, 'command' | 'limits' | 'certificates'>[]): void
  /**
   * Like `start`, without an image. What a living process cannot be told is a reason not to.
   * @throws RyoFaasError CANCELLED, START_FAILED
   */
  take(spec: Omit<InstanceSpec, 'image'>, built: BuiltPackage, signal: AbortSignal): Promise<Taken>
}

/** Both are idempotent. An instance that does not exist, or has exited, is left as it is. */
export interface Freezing {
  /** Whatever it is doing stops in the middle: only for an instance that is doing nothing. */
  freeze(id: string): Promise<void>
  /** Resolves once it runs on, from where it was. */
  thaw(id: string): Promise<void>
}

export function capabilitiesOf(engine: EngineCapabilities): EngineCapability[] {
  return ENGINE_CAPABILITIES.filter(name => engine[name] !== undefined)
}

const WITHOUT = {
  logs: 'does not keep the output of functions',
  debug: 'does not support debugging',
} satisfies Partial<Record<EngineCapability, string>>

/** @throws RyoFaasError UNSUPPORTED if the engine does not have it */
export function capability<Name extends keyof typeof WITHOUT>(
  engine: Engine,
  name: Name,
): NonNullable<EngineCapabilities[Name]> {
  const found: EngineCapabilities[Name] = engine[name]
  if (found !== undefined) return found
  throw new RyoFaasError('UNSUPPORTED', `the engine "${engine.kind}" ${WITHOUT[name]}`, {
    hint: 'Start the platform with another --engine.',
  })
}
