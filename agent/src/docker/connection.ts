/**
 * The connection to Docker. Whether this host has Docker is independent of where functions run: the container engine
 * uses this connection, and so does NATS where no nats-server is installed.
 */
import Docker from 'dockerode'
import { RyoFaasError } from '../contract/index.ts'
import { dockerAddress, translateDockerError } from './docker-errors.ts'

/** How this host reaches containers: over the bridge, or only published ports (Docker Desktop, rootless, remote). */
export type Reach = 'bridge' | 'published'

export interface DockerConnection {
  docker: Docker
  /** Version and address, one line. */
  note: string
  reach: Reach
  /** It is this machine's, at the usual address: no `DOCKER_HOST` has put something between. */
  isDirect?: boolean
}

interface DockerInfo {
  ServerVersion: string
  OperatingSystem: string
  OSType: string
  SecurityOptions?: string[]
}

/** The Docker that the environment names. It connects on first use and keeps a connection that works. */
export class DockerService {
  readonly #environment: NodeJS.ProcessEnv
  #connecting: Promise<DockerConnection> | undefined

  constructor(environment: NodeJS.ProcessEnv) {
    this.#environment = environment
  }

  /** @throws RyoFaasError DOCKER_UNREACHABLE */
  connect(): Promise<DockerConnection> {
    return (this.#connecting ??= connectDocker(this.#environment).catch((error: unknown) => {
      this.#connecting = undefined // Docker may be running by the next call.
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
    // The first tells whether Docker is running; the second starts programs, which is slow on a busy machine.
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
  return {
    ...{ docker, note: `Docker ${info.ServerVersion} at ${address}`, reach: bridged ? 'bridge' : 'published' },
    isDirect: bridged && environment['DOCKER_HOST'] === undefined,
  }
}

/** The client cannot cancel this call, and a wedged engine accepts connections without answering. */
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
