/**
 * The connection to Docker. Whether there is one on this host is one question, where functions run is another: the engine
 * of containers asks it here, and so does NATS where no nats-server is installed.
 */
import Docker from 'dockerode'
import { RyoFaasError } from '../contract/index.ts'
import { dockerAddress, translateDockerError } from './docker-errors.ts'

/** How this host reaches containers: over the bridge, or (Docker Desktop, rootless, remote) only over published ports. */
export type Reach = 'bridge' | 'published'

export interface DockerConnection {
  docker: Docker
  /** Version and address, one line. */
  note: string
  reach: Reach
}

interface DockerInfo {
  ServerVersion: string
  OperatingSystem: string
  OSType: string
  SecurityOptions?: string[]
}

/** The Docker that the environment names. Nobody is asked before somebody needs it; one that has answered is kept. */
export class DockerService {
  readonly #environment: NodeJS.ProcessEnv
  #connecting: Promise<DockerConnection> | undefined

  constructor(environment: NodeJS.ProcessEnv) {
    this.#environment = environment
  }

  /** @throws RyoFaasError DOCKER_UNREACHABLE */
  connect(): Promise<DockerConnection> {
    return (this.#connecting ??= connectDocker(this.#environment).catch((error: unknown) => {
      this.#connecting = undefined // It may be started by the time of the next question.
      throw error
    }))
  }
}

/** @throws RyoFaasError DOCKER_UNREACHABLE, naming what was tried and what to do. */
export async function connectDocker(environment: NodeJS.ProcessEnv): Promise<DockerConnection> {
  const address = dockerAddress(environment)
  const docker = new Docker()
  let info: DockerInfo
  try {
    // The first says whether anybody is there; the second runs programs, which takes its time on a busy machine.
    await withTimeout(docker.ping(), 5_000)
    info = (await withTimeout(docker.info(), 30_000)) as DockerInfo
  } catch (error) {
    const translated = translateDockerError(error, `connecting to ${address}`, 'DOCKER_UNREACHABLE')
    throw translated.hint
      ? translated
      : new RyoFaasError('DOCKER_UNREACHABLE', translated.message, {
          cause: error,
          hint: 'Check DOCKER_HOST.',
        })
  }
  if (info.OSType !== 'linux') {
    throw new RyoFaasError('DOCKER_UNREACHABLE', `the Docker engine at ${address} runs ${info.OSType} containers`, {
      hint: 'Switch it to Linux containers.',
    })
  }
  const remote = /^(tcp|ssh|https?):/.test(address)
  const desktop = /docker desktop/i.test(info.OperatingSystem)
  const rootless = info.SecurityOptions?.some(option => option.includes('rootless')) ?? false
  const bridged = process.platform === 'linux' && !remote && !desktop && !rootless
  return { docker, note: `Docker ${info.ServerVersion} at ${address}`, reach: bridged ? 'bridge' : 'published' }
}

/** The client offers no cancellation for this call, and a wedged engine accepts connections without answering. */
async function withTimeout<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(Object.assign(new Error(`no answer within ${timeoutMs} ms`), { code: 'ETIMEDOUT' })),
      timeoutMs,
    )
  })
  try {
    return await Promise.race([work, timeout])
  } finally {
    clearTimeout(timer)
  }
}
