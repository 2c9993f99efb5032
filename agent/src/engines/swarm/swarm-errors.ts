/** What the managers of a swarm answer while they cannot, and what is done about it. */
import { setTimeout as delay } from 'node:timers/promises'
import { RyoFaasError } from '../../contract/index.ts'
import { translateDockerError } from '../../docker/index.ts'

/** They have no leader, or think of one that is gone. */
const NO_LEADER =
  /does not have a leader|lost leader status|too few managers|context deadline exceeded|code = (Unavailable|DeadlineExceeded)|operation was aborted/

const LEADERLESS = "Docker's managers have not chosen a leader yet"
/** They take up to 20 s. */
const PATIENCE_MS = 30_000
const AGAIN_MS = 500

/** Of a question to the managers. @returns DOCKER_UNREACHABLE if they have no leader */
export function translateSwarmError(error: unknown, doing: string): RyoFaasError {
  const translated = translateDockerError(error, doing)
  if (translated.code !== 'ENGINE_FAILED' || !NO_LEADER.test(translated.message)) return translated
  return noLeader(error)
}

export function noLeader(cause?: unknown): RyoFaasError {
  return new RyoFaasError('DOCKER_UNREACHABLE', LEADERLESS, {
    hint: 'They do within half a minute if more than half of them run, which docker node ls shows.',
    ...(cause !== undefined && { cause }),
  })
}

/**
 * A machine short of time does not get the folder of secrets into place; one that was cut off thinks of addresses as free
 * that are not. The next container there does.
 */
const PASSING = /device or resource busy|Address already in use/

/**
 * Does it again while the managers have no leader, or a machine is busy: for half a minute at most.
 * @param run what it did before it failed may have been done or not
 */
export async function patiently<T>(run: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const begin = performance.now()
  for (;;) {
    try {
      return await run()
    } catch (error) {
      const { message } = error as Error
      const isOver = signal.aborted || performance.now() - begin > PATIENCE_MS
      const isPassing = [PASSING, NO_LEADER].some(each => each.test(message)) || message === LEADERLESS
      if (isOver || !isPassing) throw error
      await delay(AGAIN_MS, undefined, { signal }).catch(() => undefined)
    }
  }
}
