/**
 * Freezes containers: their processes get no time (the freezer of cgroups), and keep memory, address and connections.
 * Where the agent may, it does so itself; else Docker does, and reports each change as an event: those of our own making
 * are told apart from those from outside, so that not every freeze has the whole project looked at.
 */
import type Docker from 'dockerode'
import type { ContainerInspectInfo } from 'dockerode'
import { isDockerStatus, nullIfMissing, translateDockerError } from '../../docker/index.ts'
import type { Freezing } from '../capabilities.ts'
import { CgroupFreezer } from './cgroup-freezer.ts'
import type { FunctionContainers } from './function-containers.ts'

type Action = 'pause' | 'unpause'

interface Known {
  containerId: string
  /** Absent: by Docker. */
  freezer: CgroupFreezer | undefined
}

export class ContainerFreezing implements Freezing {
  readonly #docker: Docker
  readonly #containers: FunctionContainers
  readonly #isDirect: boolean
  /** Containers by instance: a thaw must not wait for Docker to search. */
  readonly #known = new Map<string, Known>()
  /** Events to come. */
  readonly #own = new Set<string>()

  /** @param isDirect the freezer of a cgroup may be used */
  constructor(
    docker: Docker,
    containers: FunctionContainers,
    { isDirect = false }: { isDirect?: boolean | undefined },
  ) {
    this.#docker = docker
    this.#containers = containers
    this.#isDirect = isDirect
  }

  async freeze(id: string): Promise<void> {
    const known = await this.#find(id)
    if (known?.freezer === undefined) return this.#turn(id, known, 'pause')
    await known.freezer.freeze().catch((error: unknown) => this.#forgetIfGone(id, error))
  }

  async thaw(id: string): Promise<void> {
    const known = await this.#find(id)
    if (known?.freezer === undefined) return this.#turn(id, known, 'unpause')
    await known.freezer.thaw().catch((error: unknown) => this.#forgetIfGone(id, error))
  }

  /** @param id of the instance in this container */
  async isFrozen(id: string, found: ContainerInspectInfo): Promise<boolean> {
    if (!found.State.Running || found.State.Paused || !this.#isDirect) return found.State.Paused
    const { freezer } = this.#known.get(id) ?? (await this.#remember(id, found))
    return (await freezer?.isFrozen().catch(() => false)) ?? false
  }

  forget(id: string): void {
    this.#known.delete(id)
  }

  /** Whether it is one of ours, which is then used up. After another, who freezes this container is looked up anew. */
  caused(event: { Action?: string | undefined; Actor?: { ID?: string | undefined } | undefined }): boolean {
    const containerId = event.Actor?.ID
    if (this.#own.delete(`${event.Action} ${containerId}`)) return true
    for (const [id, known] of this.#known) if (known.containerId === containerId) this.forget(id)
    return false
  }

  /** Events may have been missed. */
  expectNone(): void {
    this.#own.clear()
    this.#known.clear()
  }

  async #find(id: string): Promise<Known | undefined> {
    const known = this.#known.get(id)
    if (known !== undefined) return known
    const found = await this.#containers.find(id)
    return found ? this.#remember(id, found) : undefined
  }

  async #remember(id: string, found: ContainerInspectInfo): Promise<Known> {
    // What Docker has paused, only Docker can continue.
    const freezer = this.#isDirect && !found.State.Paused ? await CgroupFreezer.of(found) : undefined
    const known = { containerId: found.Id, freezer }
    this.#known.set(id, known)
    return known
  }

  #forgetIfGone(id: string, error: unknown): void {
    if (!isGone(error)) throw error
    this.forget(id)
  }

  async #turn(id: string, known: Known | undefined, action: Action): Promise<void> {
    if (known === undefined) return
    const { containerId } = known
    const container = this.#docker.getContainer(containerId)
    const event = `${action} ${containerId}`
    this.#own.add(event)
    try {
      await container[action]()
      // From here on it may be frozen in either way.
      if (action === 'unpause' && this.#isDirect) this.forget(id)
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

/** The cgroup ends with the container. */
function isGone(error: unknown): boolean {
  return ['ENOENT', 'ENODEV'].includes((error as NodeJS.ErrnoException).code ?? '')
}
