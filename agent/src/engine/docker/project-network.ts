/** The private network of a project's functions. Its gateway is this machine, as seen from a function. */
import { setTimeout as delay } from 'node:timers/promises'
import type Docker from 'dockerode'
import { ignoreStatus, isDockerStatus, nullIfMissing, translateDockerError } from './docker-errors.ts'

const LEFT_MS = 5_000
const ASK_AGAIN_MS = 100

export function networkName(project: string): string {
  return `${project}-net`
}

export class ProjectNetwork {
  readonly name: string
  readonly #docker: Docker
  readonly #project: string
  #gateway: string | undefined

  constructor(docker: Docker, project: string) {
    this.name = networkName(project)
    this.#docker = docker
    this.#project = project
  }

  /** Known once the network is there. */
  get gateway(): string | undefined {
    return this.#gateway
  }

  /** Makes it if there is none. @returns its gateway; '' if it has none */
  async ensure(): Promise<string> {
    const network = this.#docker.getNetwork(this.name)
    try {
      let info = await network.inspect().catch(nullIfMissing)
      if (!info) {
        await this.#docker
          .createNetwork({
            Name: this.name,
            Driver: 'bridge',
            Labels: { 'ryo-faas': this.#project, [this.#project]: 'network' },
            CheckDuplicate: true,
          })
          .catch(ignoreStatus(409))
        info = await network.inspect()
      }
      return (this.#gateway = info.IPAM?.Config?.[0]?.Gateway ?? '')
    } catch (error) {
      throw translateDockerError(error, `creating the network ${this.name}`)
    }
  }

  async remove(): Promise<void> {
    const deadline = performance.now() + LEFT_MS
    for (;;) {
      try {
        await this.#docker.getNetwork(this.name).remove().catch(ignoreStatus(404))
        this.#gateway = undefined
        return
      } catch (error) {
        // 403: a container that has ended is only about to leave it.
        if (!isDockerStatus(error, 403) || performance.now() > deadline) {
          throw translateDockerError(error, `removing the network ${this.name}`)
        }
        await delay(ASK_AGAIN_MS)
      }
    }
  }
}
