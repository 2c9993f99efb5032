/** A row of the registry: detects one kind of engine on this machine, and creates it. Loads the engine only then. */
import type { EngineKind, RyoFaasError } from '../contract/index.ts'
import type { DockerService } from '../docker/index.ts'
import type { Engine } from './engine.ts'

/** Settings for engines; each takes what it needs. */
export interface EngineContext {
  project: string
  home: string
  nodePath: string
  environment: NodeJS.ProcessEnv
  /** Whether functions may reach anything beyond the platform. An engine that cannot enforce `none` is not usable. */
  egress: 'internet' | 'none'
  /** `auto`, `assemble`, or an image to pull; for engines with images. */
  baseImage: string
  /** `none`, or where images are brought for other machines: `[http://]host[:port][/path]`. Default: none. */
  registry?: string
  /** Present and not `none`: other agents of the platform may lead, on other machines. */
  clusterKey?: string
  docker: DockerService
  /** How many instances are kept waiting; for engines that can. Default: none. */
  pool?: number
  /** The package `@ryo-faas/runtime`, for the module that they run. */
  runtimeDir?: string
}

export type Detection = { kind: 'usable' } | { kind: 'unusable'; why: RyoFaasError }

export interface EngineType {
  readonly kind: EngineKind
  /** In the help of `--engine`: the kind, and what to know about it. */
  readonly help: string
  /** Whether it can run functions on this machine with these settings. */
  detect(context: EngineContext): Promise<Detection>
  /** Only after detection. @param why it was chosen, for users to read */
  create(context: EngineContext, why: string): Promise<Engine>
}
