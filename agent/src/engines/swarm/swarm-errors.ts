/** Translates what the managers of a swarm answer while they cannot. */
import { RyoFaasError } from '../../contract/index.ts'
import { translateDockerError } from '../../docker/index.ts'

/** They have no leader, or think of one that is gone. */
const NO_LEADER =
  /does not have a leader|lost leader status|too few managers|context deadline exceeded|code = (Unavailable|DeadlineExceeded)|operation was aborted/

/** Of a question to the managers. @returns DOCKER_UNREACHABLE if they have no leader */
export function translateSwarmError(error: unknown, doing: string): RyoFaasError {
  const translated = translateDockerError(error, doing)
  if (translated.code !== 'ENGINE_FAILED' || !NO_LEADER.test(translated.message)) return translated
  return new RyoFaasError('DOCKER_UNREACHABLE', "Docker's managers have not chosen a leader yet", {
    hint: 'They do within half a minute if more than half of them run, which docker node ls shows.',
    cause: error,
  })
}
