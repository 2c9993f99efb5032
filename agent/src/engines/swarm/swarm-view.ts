/**
 * Tasks of a project and the machines that they are on, as they are now.
 *
 * Another leader of the managers knows no ports of tasks that ran before (Docker 26): machines report their tasks again, without
 * them. So the port that a task has is remembered, and written on its service for other agents.
 *
 * Swarm reports no change of a task (docker/swarmkit has
 * such a stream, Docker's API has not), so it is asked, by all who want to know at once with one request.
 */
import type Docker from 'dockerode'
import type { Identity } from '../docker/pool-folders.ts'
import {
  addressOf,
  isLeaving,
  PORT_LABEL,
  portOf,
  portStatus,
  type SwarmNode,
  type SwarmService,
  type SwarmTask,
} from './swarm-api.ts'
import { translateSwarmError } from './swarm-errors.ts'

const LOOK_EVERY_MS = 500
/** A manager that waits for a leader answers late, and then does not know of the one that there is by now. */
const ANSWER_MS = 10_000

export interface SeenTask {
  is: Identity
  task: SwarmTask
  /** Absent until it is placed. */
  node: SwarmNode | undefined
}

export class SwarmView {
  readonly #docker: Docker
  readonly #project: string
  #running: Promise<unknown> = Promise.resolve()
  #waiting: Promise<SeenTask[]> | undefined
  #machines: ReadonlySet<string> = new Set()
  /** By task. */
  #ports = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(docker: Docker, project: string) {
    this.#docker = docker
    this.#project = project
  }

  /** All tasks, asked for after this call. */
  look(): Promise<SeenTask[]> {
    return (this.#waiting ??= this.#running.then(() => {
      this.#waiting = undefined
      const asked = this.#ask()
      this.#running = asked.catch(() => undefined)
      return asked
    }))
  }

  async of(id: string): Promise<SeenTask | undefined> {
    return (await this.look()).find(({ is }) => is.id === id)
  }

  /** Whether it was the address of a machine at the last look. */
  isMachine(address: string): boolean {
    return this.#machines.has(address)
  }

  async nodes(): Promise<SwarmNode[]> {
    try {
      const abortSignal = AbortSignal.timeout(ANSWER_MS)
      const nodes = (await this.#docker.listNodes({ abortSignal })) as SwarmNode[]
      this.#machines = new Set(nodes.map(addressOf))
      return nodes
    } catch (error) {
      throw translateSwarmError(error, 'listing the machines of the swarm')
    }
  }

  /** Calls back after a task ended or vanished, or the swarm answers again. */
  watch(onChange: () => void): void {
    let before: string | undefined
    const again = () => {
      if (!this.#isClosed) this.#timer = setTimeout(look, LOOK_EVERY_MS)
    }
    const look = () => {
      void this.look()
        .then(
          seen => {
            const now = seen
              .map(({ is, task, node }) => `${is.id} ${task.Status.State} ${node?.Status.State} ${isLeaving(node)}`)
              .sort()
              .join()
            if (now !== before) onChange()
            before = now
          },
          () => (before = undefined),
        )
        .finally(again)
    }
    look()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  async #ask(): Promise<SeenTask[]> {
    try {
      const [tasks, nodes] = await Promise.all([
        this.#docker.listTasks({
          filters: { label: [`ryo-faas=${this.#project}`] },
          abortSignal: AbortSignal.timeout(ANSWER_MS),
        }) as Promise<SwarmTask[]>,
        this.nodes(),
      ])
      await this.#completePorts(tasks)
      const byId = new Map(nodes.map(node => [node.ID, node]))
      return tasks.flatMap(task => {
        const is = this.#identityOf(task.Spec.ContainerSpec.Labels ?? {})
        return is === undefined ? [] : [{ is, task, node: byId.get(task.NodeID ?? '') }]
      })
    } catch (error) {
      throw translateSwarmError(error, 'listing tasks of the swarm')
    }
  }

  async #completePorts(tasks: readonly SwarmTask[]): Promise<void> {
    const known = this.#ports
    const isWithout = (task: SwarmTask) => task.Status.State === 'running' && portOf(task) === undefined
    const written = tasks.some(task => isWithout(task) && !known.has(task.ID)) ? await this.#writtenPorts() : undefined
    this.#ports = new Map()
    for (const task of tasks) {
      const port = portOf(task) ?? known.get(task.ID) ?? written?.get(task.ServiceID)
      if (port === undefined) continue
      this.#ports.set(task.ID, port)
      if (isWithout(task)) task.Status.PortStatus = portStatus(port)
    }
  }

  /** By service. */
  async #writtenPorts(): Promise<Map<string, number>> {
    const filters = { label: [`ryo-faas=${this.#project}`, PORT_LABEL] }
    const services = (await this.#docker.listServices({ filters })) as unknown as SwarmService[]
    return new Map(services.map(({ ID, Spec }) => [ID, Number(Spec.Labels[PORT_LABEL])]))
  }

  #identityOf(labels: Record<string, string>): Identity | undefined {
    const [id, route] = [labels[`${this.#project}.instance`], labels[`${this.#project}.function`]]
    if (id === undefined || route === undefined) return undefined
    return { id, route, version: Number(labels[`${this.#project}.version`]) }
  }
}
