/** The containers of a project's functions, found by their labels (`container-spec.ts` sets them). */
import type Docker from 'dockerode'
import type { ContainerInfo, ContainerInspectInfo } from 'dockerode'
import { nullIfMissing, translateDockerError } from '../../docker/index.ts'

export class FunctionContainers {
  readonly #docker: Docker
  readonly #project: string

  constructor(docker: Docker, project: string) {
    this.#docker = docker
    this.#project = project
  }

  /** Containers of one deployment, of one instance, or all. */
  list(only: { route?: string; id?: string } = {}): Promise<ContainerInfo[]> {
    const label = [`ryo-faas=${this.#project}`, `${this.#project}=function`]
    if (only.route !== undefined) label.push(`${this.#project}.function=${only.route}`)
    if (only.id !== undefined) label.push(`${this.#project}.instance=${only.id}`)
    return this.#docker.listContainers({ all: true, filters: { label } })
  }

  /** @param id id of the instance */
  async find(id: string): Promise<ContainerInspectInfo | null> {
    try {
      const [info] = await this.list({ id })
      return info ? await this.#docker.getContainer(info.Id).inspect().catch(nullIfMissing) : null
    } catch (error) {
      throw translateDockerError(error, `looking for instance ${id}`)
    }
  }

  routeOf({ Config }: ContainerInspectInfo): string {
    return Config.Labels[`${this.#project}.function`]!
  }
}
