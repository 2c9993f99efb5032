/**
 * The private network of a project's functions. Functions see this machine as its gateway.
 *
 * Invariant: containers in it do not reach each other. Functions are called only through the proxy, which knows who may
 * call what; no other function reaches its debugger or the paths reserved for the platform.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type Docker from 'dockerode'
import type { NetworkCreateOptions, NetworkInspectInfo } from 'dockerode'
import { RyoFaasError } from '../../contract/index.ts'
import { ignoreStatus, isDockerStatus, nullIfMissing, translateDockerError } from '../../docker/index.ts'
import { expose, seclude } from './forwarding-block.ts'
import { block, unblock } from './link-local-block.ts'

const LEFT_MS = 5_000
const ASK_AGAIN_MS = 100
const OLD =
  'its network is from an earlier start: functions can reach each other’s ports, and --egress does not hold, until the platform is stopped and started again'
const BETWEEN_CONTAINERS = 'com.docker.network.bridge.enable_icc'

/** @param egress of the functions in it, where that differs from the platform's */
export function networkName(project: string, egress?: 'none'): string {
  return egress === undefined ? `${project}-net` : `${project}-net-closed`
}

/** This machine's address for functions, and their own addresses. */
export interface NetworkPlace {
  gateway: string
  /** CIDR notation. */
  subnet: string
}

/** Whether functions reach anything beyond the gateway. */
export type Egress = 'internet' | 'none'

export interface ProjectNetworkOptions {
  project: string
  egress: Egress
  /** The bridge is an interface of this machine, so that rules can be set for it. */
  isLocal: boolean
  /** For functions that want no egress, of a platform that has one. */
  isForClosed?: boolean
}

export class ProjectNetwork {
  readonly name: string
  readonly #docker: Docker
  readonly #options: ProjectNetworkOptions
  #place: NetworkPlace | undefined
  #warnings: string[] = []

  constructor(docker: Docker, options: ProjectNetworkOptions) {
    this.name = networkName(options.project, options.isForClosed === true ? 'none' : undefined)
    this.#docker = docker
    this.#options = options
  }

  /** Its containers reach nothing beyond the gateway. */
  get isClosed(): boolean {
    return this.#options.egress === 'none'
  }

  /** What should hold but does not, for users to read. */
  get warnings(): readonly string[] {
    return this.#warnings
  }

  /** Known once the network is there. */
  get place(): NetworkPlace | undefined {
    return this.#place
  }

  /** Creates it if missing; one with wrong settings is replaced unless something is running in it. */
  async ensure(): Promise<NetworkPlace> {
    const network = this.#docker.getNetwork(this.name)
    try {
      let info = await network.inspect().catch(nullIfMissing)
      if (info !== null && !this.#isAsWanted(info) && isEmpty(info)) {
        await this.#unconfine(info)
        await network.remove().catch(ignoreStatus(404))
        info = null
      }
      if (info === null) {
        await this.#docker.createNetwork(this.#wanted()).catch(ignoreStatus(409))
        info = await network.inspect()
      }
      this.#warnings = [...(this.#isAsWanted(info) ? [] : [OLD]), ...(await this.#confine(info))]
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

  /** @returns what does not hold */
  async #confine(info: NetworkInspectInfo): Promise<string[]> {
    // Such a network has no way in or out at all.
    if (info.Internal) return []
    if (!this.#options.isLocal) return [reachesLinkLocal('Docker runs elsewhere')]
    const bridge = bridgeOf(info)
    const isOpen = await seclude(bridge)
    const isLinkLocalOpen = await block({ bridge })
    return [
      ...(isOpen === undefined ? [] : [`machines that route to its network may reach functions (${isOpen})`]),
      ...(isLinkLocalOpen === undefined ? [] : [reachesLinkLocal(isLinkLocalOpen)]),
    ]
  }

  async #unconfine(info: NetworkInspectInfo): Promise<void> {
    const bridge = bridgeOf(info)
    await unblock({ bridge })
    await expose(bridge)
  }

  #isAsWanted({ Options, Internal }: NetworkInspectInfo): boolean {
    return Options?.[BETWEEN_CONTAINERS] === 'false' && Internal === (this.#options.egress === 'none')
  }

  #wanted(): NetworkCreateOptions {
    const { project, egress } = this.#options
    return {
      Name: this.name,
      Driver: 'bridge',
      Labels: { 'ryo-faas': project, [project]: 'network' },
      CheckDuplicate: true,
      EnableIPv6: false,
      Internal: egress === 'none',
      Options: { [BETWEEN_CONTAINERS]: 'false' },
    }
  }

  async remove(): Promise<void> {
    const deadline = performance.now() + LEFT_MS
    const info = await this.#docker
      .getNetwork(this.name)
      .inspect()
      .catch(() => undefined) // Removal says why.
    if (info !== undefined && this.#options.isLocal) await this.#unconfine(info)
    for (;;) {
      try {
        await this.#docker.getNetwork(this.name).remove().catch(ignoreStatus(404))
        this.#place = undefined
        return
      } catch (error) {
        // 403: a container that has exited is still about to leave it.
        if (!isDockerStatus(error, 403) || performance.now() > deadline) {
          throw translateDockerError(error, `removing the network ${this.name}`)
        }
        await delay(ASK_AGAIN_MS)
      }
    }
  }
}

function reachesLinkLocal(why: string): string {
  return `functions can reach link-local addresses, such as a cloud’s metadata service (${why})`
}

/** Name of the interface. */
export function bridgeOf({ Id, Options }: NetworkInspectInfo): string {
  return Options?.['com.docker.network.bridge.name'] ?? `br-${Id.slice(0, 12)}`
}

function isEmpty({ Containers }: NetworkInspectInfo): boolean {
  return Object.keys(Containers ?? {}).length === 0
}
