/** Translates what the Docker client throws, once, here. */
import { RyoFaasError, type ErrorCode } from '../contract/index.ts'

interface DockerFault {
  statusCode?: number
  code?: string
  message?: string
  reason?: string
  /** Docker's answer; more precise than `reason`, which is the name of the status. */
  json?: { message?: string }
}

export function isDockerStatus(error: unknown, ...statuses: number[]): boolean {
  return statuses.includes((error as DockerFault).statusCode ?? 0)
}

/** The address the client connects to, for messages. */
export function dockerAddress(environment: NodeJS.ProcessEnv): string {
  return (
    environment['DOCKER_HOST'] ??
    (process.platform === 'win32' ? '//./pipe/docker_engine' : 'unix:///var/run/docker.sock')
  )
}

export function translateDockerError(error: unknown, doing: string, code: ErrorCode = 'ENGINE_FAILED'): RyoFaasError {
  if (error instanceof RyoFaasError) return error
  const fault = error as DockerFault
  if (
    fault.code &&
    ['ECONNREFUSED', 'ENOENT', 'EACCES', 'EPERM', 'ETIMEDOUT', 'ENOTFOUND', 'EHOSTUNREACH'].includes(fault.code)
  ) {
    return new RyoFaasError('DOCKER_UNREACHABLE', `${doing}: Docker is not responding (${fault.message})`, {
      hint: fixFor(fault.code),
      cause: error,
    })
  }
  return new RyoFaasError(code, `${doing}: ${fault.json?.message ?? fault.reason ?? fault.message ?? String(error)}`, {
    cause: error,
  })
}

function fixFor(code: string): string {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return 'Your user may not open the socket: add it to the group "docker" and log in again.'
    case 'ENOENT':
      return 'Install or start Docker (on Debian: apt-get install docker.io), or set DOCKER_HOST if it listens elsewhere.'
    default:
      return 'Start the Docker engine (systemctl start docker), or check DOCKER_HOST.'
  }
}

/** Whether a build failed because an image that it stands on is gone; the builder gives no status. */
export function isImageMissing(error: unknown): boolean {
  return /unable to find image|no such image/i.test((error as DockerFault).message ?? '')
}

/** For `catch`: not found is `null`. */
export function nullIfMissing(error: unknown): null {
  if (isDockerStatus(error, 404)) return null
  throw error
}

/** For `catch`: these statuses mean that there was nothing to do. */
export function ignoreStatus(...statuses: number[]): (error: unknown) => void {
  return error => {
    if (!isDockerStatus(error, ...statuses)) throw error
  }
}
