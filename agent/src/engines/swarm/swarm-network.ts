/**
 * An overlay network for each function: its instances are in no other, so functions do not reach each other past the
 * proxy. Others may be attached to it.
 */
import type Docker from 'dockerode'
import { ignoreStatus, isDockerStatus } from '../../docker/index.ts'
import { translateSwarmError } from './swarm-errors.ts'

interface Network {
  Id: string
  Name: string
  Scope: string
  Labels: Record<string, string>
}

export class SwarmNetworks {
  readonly #docker: Docker
  readonly #project: string
  readonly #making = new Map<string, Promise<string>>()

  constructor(docker: Docker, project: string) {
    this.#docker = docker
    this.#project = project
  }

  /** @returns its id */
  ensure(route: string): Promise<string> {
    const making = this.#making.get(route) ?? this.#ensure(route).finally(() => this.#making.delete(route))
    this.#making.set(route, making)
    return making
  }

  /** Those that nothing is in. */
  async removeUnused(route?: string): Promise<void> {
    for (const { Id, Labels } of await this.#list()) {
      if (route !== undefined && Labels[`${this.#project}.function`] !== route) continue
      // 400, 403: a task is still there, or is just being brought there.
      await this.#docker
        .getNetwork(Id)
        .remove()
        .catch(ignoreStatus(400, 403, 404, 409, 500))
    }
  }

  async remaining(): Promise<number> {
    return (await this.#list()).length
  }

  async #ensure(route: string): Promise<string> {
    try {
      const known = await this.#find(route)
      if (known !== undefined) return known
      const { id } = await this.#docker.createNetwork({
        Name: this.#nameOf(route),
        Driver: 'overlay',
        Attachable: true,
        Labels: { 'ryo-faas': this.#project, [`${this.#project}.function`]: route },
      })
      return id
    } catch (error) {
      // Another agent was first.
      const made = isDockerStatus(error, 409) ? await this.#find(route) : undefined
      if (made !== undefined) return made
      throw translateSwarmError(error, `making the network of ${route}`)
    }
  }

  async #find(route: string): Promise<string | undefined> {
    return (await this.#list()).find(({ Name }) => Name === this.#nameOf(route))?.Id
  }

  async #list(): Promise<Network[]> {
    const filters = { label: [`ryo-faas=${this.#project}`], scope: ['swarm'] }
    return (await this.#docker.listNetworks({ filters })) as unknown as Network[]
  }

  #nameOf(route: string): string {
    return `${this.#project}-${route}`
  }
}
