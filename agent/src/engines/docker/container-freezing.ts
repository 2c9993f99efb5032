/**
 * Freezes containers: their processes get no time (the freezer of cgroups), and keep memory, address and connections.
 * Docker reports each change as an event; those of our own making are told apart from those from outside, so that not
 * every freeze has the whole project looked at.
 */
import type Docker from 'dockerode'
import { isDockerStatus, nullIfMissing, translateDockerError } from '../../docker/index.ts'
import type { Freezing } from '../capabilities.ts'
import type { FunctionContainers } from './function-containers.ts'

type Action = 'pause' | 'unpause'

export class ContainerFreezing implements Freezing {
  readonly #docker: Docker
  readonly #containers: FunctionContainers
  /** Containers by instance: a thaw must not wait for Docker to search. */
  readonly #known = new Map<string, string>()
  /** Events to come. */
  readonly #own = new Set<string>()

  constructor(docker: Docker, containers: FunctionContainers) {
    this.#docker = docker
    this.#containers = containers
  }

  freeze(id: string): Promise<void> {
    return this.#turn(id, 'pause')
  }

  thaw(id: string): Promise<void> {
    return this.#turn(id, 'unpause')
  }

  forget(id: string): void {
    this.#known.delete(id)
  }

  /** Whether it is one of ours, which is then used up. */
  caused(event: { Action?: string | undefined; Actor?: { ID?: string | undefined } | undefined }): boolean {
    return this.#own.delete(`${event.Action} ${event.Actor?.ID}`)
  }

  /** Events may have been missed. */
  expectNone(): void {
    this.#own.clear()
  }

  async #turn(id: string, action: Action): Promise<void> {
    const containerId = this.#known.get(id) ?? (await this.#containers.find(id))?.Id
    if (containerId === undefined) return
    this.#known.set(id, containerId)
    const container = this.#docker.getContainer(containerId)
    const event = `${action} ${containerId}`
    this.#own.add(event)
    try {
      await container[action]()
    } catch (error) {
      this.#own.delete(event)
      if (isDockerStatus(error, 404)) return this.forget(id)
      // It may be so already, or have exited: Docker says no to both, with statuses that differ between releases.
      const state = (await container.inspect().catch(nullIfMissing))?.State
      if (state?.Running && state.Paused !== (action === 'pause')) {
        throw translateDockerError(error, `${action === 'pause' ? 'freezing' : 'thawing'} instance ${id}`)
      }
    }
  }
}
