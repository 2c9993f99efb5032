/**
 * The private network of a project's functions. Its gateway is this machine, as seen from a function.
 *
 * Invariant: containers in it do not reach each other. A function is called through the proxy only, which knows who may
 * call what; its debugger, and the paths that are for the platform alone, are reached by no other function.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type Docker from 'dockerode'
import type { NetworkCreateOptions, NetworkInspectInfo } from 'dockerode'
import { RyoFaasError } from '../../contract/index.ts'
import { ignoreStatus, isDockerStatus, nullIfMissing, translateDockerError } from './docker-errors.ts'

const LEFT_MS = 5_000
const ASK_AGAIN_MS = 100
const OLD = 'functions can reach each other’s ports until the platform is stopped and started again'
const BETWEEN_CONTAINERS = 'com.docker.network.bridge.enable_icc'

export function networkName(project: string): string {
  return `${project}-net`
}

/** Where functions find this machine, and the addresses that they have themselves. */
export interface NetworkPlace {
  gateway: string
  /** CIDR notation. */
  subnet: string
}

export class ProjectNetwork {
  readonly name: string
  readonly #docker: Docker
  readonly #project: string
  #place: NetworkPlace | undefined
  #warnings: string[] = []

  constructor(docker: Docker, project: string) {
    this.name = networkName(project)
    this.#docker = docker
    this.#project = project
  }

  /** What it should be and is not, for users to read. */
  get warnings(): readonly string[] {
    return this.#warnings
  }

  /** Known once the network is there. */
  get place(): NetworkPlace | undefined {
    return this.#place
  }

  /** Makes it if there is none; one that is not as it should be is replaced unless something runs in it. */
  async ensure(): Promise<NetworkPlace> {
    const network = this.#docker.getNetwork(this.name)
    try {
      let info = await network.inspect().catch(nullIfMissing)
      if (info !== null && !isAsWanted(info) && isEmpty(info)) {
        await network.remove().catch(ignoreStatus(404))
        info = null
      }
      if (info === null) {
        await this.#docker.createNetwork(this.#wanted()).catch(ignoreStatus(409))
        info = await network.inspect()
      }
      this.#warnings = isAsWanted(info) ? [] : [OLD]
      const { Gateway: gateway = '', Subnet: subnet = '' } = info.IPAM?.Config?.[0] ?? {}
      if (gateway === '' || subnet === '') {
        throw new RyoFaasError('ENGINE_FAILED', `the network ${this.name} has no gateway`, {
          hint: `Remove it with "docker network rm ${this.name}" and start again.`,
        })
      }
      return (this.#place = { gateway, subnet })
    } catch (error) {
      throw translateDockerError(error, `creating the network ${this.name}`)
    }
  }

  #wanted(): NetworkCreateOptions {
    return {
      Name: this.name,
      Driver: 'bridge',
      Labels: { 'ryo-faas': this.#project, [this.#project]: 'network' },
      CheckDuplicate: true,
      EnableIPv6: false,
      Options: { [BETWEEN_CONTAINERS]: 'false' },
    }
  }

  async remove(): Promise<void> {
    const deadline = performance.now() + LEFT_MS
    for (;;) {
      try {
        await this.#docker.getNetwork(this.name).remove().catch(ignoreStatus(404))
        this.#place = undefined
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

function isAsWanted({ Options }: NetworkInspectInfo): boolean {
  return Options?.[BETWEEN_CONTAINERS] === 'false'
}

function isEmpty({ Containers }: NetworkInspectInfo): boolean {
  return Object.keys(Containers ?? {}).length === 0
}
