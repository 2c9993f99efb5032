/** A row of the registry: how one kind of engine is found on this machine, and made. Loads the engine only to make it. */
import type { EngineKind, RyoFaasError } from '../contract/index.ts'
import type { DockerService } from '../docker/index.ts'
import type { Engine } from './engine.ts'

/** What an engine is made of; each takes what it needs. */
export interface EngineContext {
  project: string
  home: string
  nodePath: string
  environment: NodeJS.ProcessEnv
  /** Whether functions may reach anything beyond the platform. An engine that cannot keep `none` is not usable then. */
  egress: 'internet' | 'none'
  /** `auto`, `assemble`, or an image to pull; for engines with images. */
  baseImage: string
  docker: DockerService
}

export type Detection = { kind: 'usable' } | { kind: 'unusable'; why: RyoFaasError }

export interface EngineType {
  readonly kind: EngineKind
  /** In the help of `--engine`: the kind, and what has to be known of it. */
  readonly help: string
  /** Whether it can run functions on this machine, as they are to be run. */
  detect(context: EngineContext): Promise<Detection>
  /** Only after it was detected. @param why it was chosen, for users to read */
  create(context: EngineContext, why: string): Promise<Engine>
}
