/**
 * The containers of a project's functions. Those that were created for a function are known by their labels
 * (`container-spec.ts` sets them), those from the pool by a label that leads to their folder (`pool-folders.ts`).
 */
import type Docker from 'dockerode'
import type { ContainerInfo, ContainerInspectInfo } from 'dockerode'
import { nullIfMissing, translateDockerError } from '../../docker/index.ts'
import { poolLabel } from './container-spec.ts'
import type { Identity, PoolFolders } from './pool-folders.ts'

/** Docker sets it. */
const SWARM_TASK = 'com.docker.swarm.task.id'

export interface FunctionContainer {
  info: ContainerInfo
  is: Identity
}

export class FunctionContainers {
  readonly #docker: Docker
  readonly #project: string
  readonly #folders: PoolFolders

  constructor(docker: Docker, project: string, folders: PoolFolders) {
    this.#docker = docker
    this.#project = project
    this.#folders = folders
  }

  /** Containers of one deployment, of one instance, or all. */
  async list(only: { route?: string; id?: string } = {}): Promise<FunctionContainer[]> {
    const label = [`${this.#project}=function`]
    if (only.route !== undefined) label.push(`${this.#project}.function=${only.route}`)
    if (only.id !== undefined) label.push(`${this.#project}.instance=${only.id}`)
    const [own, pooled] = await Promise.all([this.#labelled(label), this.#pooled(only)])
    const found: FunctionContainer[] = []
    for (const info of [...own, ...pooled]) {
      // On a manager of a swarm, tasks of the engine `swarm` are containers with the same labels.
      if (info.Labels[SWARM_TASK] !== undefined) continue
      const is = await this.identityOf(info.Labels)
      const isWanted = is && [only.route ?? is.route, only.id ?? is.id].join() === [is.route, is.id].join()
      if (isWanted) found.push({ info, is })
    }
    return found
  }

  /** @param id id of the instance */
  async find(id: string): Promise<ContainerInspectInfo | null> {
    try {
      const [found] = await this.list({ id })
      return found ? await this.#docker.getContainer(found.info.Id).inspect().catch(nullIfMissing) : null
    } catch (error) {
      throw translateDockerError(error, `looking for instance ${id}`)
    }
  }

  /** Which instance it is; undefined if it still waits, or is none of ours. */
  async identityOf(labels: Record<string, string>): Promise<Identity | undefined> {
    const poolId = this.poolIdOf(labels)
    if (poolId !== undefined) return this.#folders.identityOf(poolId)
    const [id, route] = [labels[`${this.#project}.instance`], labels[`${this.#project}.function`]]
    if (id === undefined || route === undefined) return undefined
    return { id, route, version: Number(labels[`${this.#project}.version`]) }
  }

  poolIdOf(labels: Record<string, string>): string | undefined {
    return labels[poolLabel(this.#project)]
  }

  /** From the pool, whether they wait or were handed over. */
  listPool(): Promise<ContainerInfo[]> {
    return this.#labelled([poolLabel(this.#project)])
  }

  async #pooled({ id }: { id?: string }): Promise<ContainerInfo[]> {
    if (id === undefined) return this.listPool()
    const poolId = await this.#folders.poolIdOf(id)
    return poolId === undefined ? [] : this.#labelled([`${poolLabel(this.#project)}=${poolId}`])
  }

  #labelled(label: string[]): Promise<ContainerInfo[]> {
    const filters = { label: [`ryo-faas=${this.#project}`, ...label] }
    return this.#docker.listContainers({ all: true, filters })
  }
}
