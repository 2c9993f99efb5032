/** Shared by all our containers. */
import { setTimeout as delay } from 'node:timers/promises'
import type Docker from 'dockerode'
import { isDockerStatus, translateDockerError } from './docker-errors.ts'

const GONE_MS = 60_000
const ASK_AGAIN_MS = 100

/** With cgroups v1, Docker's default is the host's own tree. Not yet in the types. */
export const OWN_CGROUPS = { CgroupnsMode: 'private' } as const

/**
 * Resolves when it is gone: the caller then removes its image and network.
 * @param id or name; one that is not there is not an error
 * @throws RyoFaasError ENGINE_FAILED, DOCKER_UNREACHABLE
 */
export async function removeContainer(docker: Docker, id: string): Promise<void> {
  const deadline = performance.now() + GONE_MS
  for (;;) {
    try {
      await docker.getContainer(id).remove({ force: true, v: true })
      return
    } catch (error) {
      if (isDockerStatus(error, 404)) return
      // 409: a removal is under way. 500: a busy Docker did not see it end yet, or its files are still in use.
      if (!isDockerStatus(error, 409, 500) || performance.now() > deadline) {
        throw translateDockerError(error, `removing the container ${id}`)
      }
      await delay(ASK_AGAIN_MS)
    }
  }
}
