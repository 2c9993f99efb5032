/** Images on this host or from a registry. */
import type Docker from 'dockerode'
import { RyoFaasError } from '../contract/index.ts'
import { isDockerStatus, translateDockerError } from './docker-errors.ts'

export async function imageExists(docker: Docker, ref: string): Promise<boolean> {
  try {
    await docker.getImage(ref).inspect()
    return true
  } catch (error) {
    if (isDockerStatus(error, 404)) return false
    throw translateDockerError(error, `looking for image ${ref}`)
  }
}

export async function pullImage(docker: Docker, ref: string, report: (doing: string) => void): Promise<string> {
  if (await imageExists(docker, ref)) return ref
  report(`pulling ${ref}`)
  try {
    const stream = await docker.pull(ref)
    await new Promise<void>((resolve, reject) =>
      docker.modem.followProgress(stream, (error: Error | null) => (error ? reject(error) : resolve())),
    )
  } catch (error) {
    throw new RyoFaasError(
      'BASE_IMAGE_UNAVAILABLE',
      `the image ${ref} is not on this host and cannot be pulled: ${(error as Error).message}`,
      {
        hint: 'Load it with "docker load", name another with --base-image, or (on Linux) use --base-image assemble.',
        cause: error,
      },
    )
  }
  return ref
}

/** Reads a progress stream of the Docker API to its end; an error in it rejects. */
export function drain(docker: Docker, stream: NodeJS.ReadableStream): Promise<void> {
  return new Promise((resolve, reject) => {
    docker.modem.followProgress(stream, (error: Error | null, rows: { error?: string }[]) => {
      const failure = error?.message ?? rows?.find(row => row.error)?.error
      if (failure) reject(new Error(failure))
      else resolve()
    })
  })
}
