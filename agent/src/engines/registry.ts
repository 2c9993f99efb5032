/**
 * All engines, in order of preference. The one place that lists them: another engine is a folder and
 * a row here.
 */
import { DOCKER } from './docker/docker-type.ts'
import type { EngineType } from './engine-type.ts'
import { PROCESS } from './process/process-type.ts'
import { SWARM } from './swarm/swarm-type.ts'

export const ENGINES: readonly EngineType[] = [DOCKER, PROCESS, SWARM]
