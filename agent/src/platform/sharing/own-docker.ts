import { DockerService } from '../../docker/index.ts'
import type { PlatformOptions } from '../options.ts'

/**
 * Which Docker it is whose containers the engine `docker` takes for its own: two agents of one platform must not share it.
 * @param runsOn the engine that this home has had
 * @returns undefined if another engine is used
 */
export async function ownDocker(
  { engine }: Pick<PlatformOptions, 'engine'>,
  { environment, runsOn }: { environment: NodeJS.ProcessEnv; runsOn: string | undefined },
): Promise<string | undefined> {
  const wanted = engine === 'auto' ? (runsOn ?? 'docker') : engine
  if (wanted !== 'docker') return undefined
  try {
    const { docker } = await new DockerService(environment).connect()
    const { ID, Name } = (await docker.info()) as { ID: string; Name: string }
    return `${ID} ${Name}` // Copies of one machine have the same id.
  } catch {
    return undefined // It cannot be used, which the choice of the engine says.
  }
}
