/** Containers that are gone when we say so: whoever comes next removes their image and network. */
import type Docker from 'dockerode'
import { isDockerStatus, translateDockerError } from './docker-errors.ts'

/** Of one that was already being removed; with a busy disk that takes its time. */
const GONE_MS = 60_000

/**
 * @param id or name; one that is not there is no error
 * @throws RyoFaasError ENGINE_FAILED, DOCKER_UNREACHABLE
 */
export async function removeContainer(docker: Docker, id: string): Promise<void> {
  const container = docker.getContainer(id)
  try {
    await container.remove({ force: true, v: true })
  } catch (error) {
    if (isDockerStatus(error, 404)) return
    if (!isDockerStatus(error, 409)) throw translateDockerError(error, `removing the container ${id}`)
    // A removal is under way: of a version that drains, or of somebody else.
    await container
      .wait({ condition: 'removed', abortSignal: AbortSignal.timeout(GONE_MS) })
      .catch((waitError: unknown) => {
        if (isDockerStatus(waitError, 404)) return
        throw translateDockerError(waitError, `waiting for the container ${id} to be removed`)
      })
  }
}
