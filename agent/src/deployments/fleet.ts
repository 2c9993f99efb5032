/**
 * What the deployer knows about live instances beyond the engine: which are ready, which are being drained,
 * and how often those of a deployment died. Kept in memory only, and rebuilt after a restart.
 */
import type { DeploymentView } from '../contract/index.ts'
import type { Instance } from '../engines/index.ts'
import { Backoff } from '../supervisor/index.ts'

export class Fleet {
  readonly #ready = new Map<string, Instance>()
  readonly #draining = new Map<string, Promise<void>>()
  readonly #deaths = new Map<string, Backoff>()
  readonly #lastExit = new Map<string, NonNullable<DeploymentView['lastExit']>>()

  /** Ready instances of one route, or of all. */
  ready(route?: string): Instance[] {
    return [...this.#ready.values()].filter(instance => route === undefined || instance.route === route)
  }

  isReady(id: string): boolean {
    return this.#ready.has(id)
  }

  isDraining(id: string): boolean {
    return this.#draining.has(id)
  }

  markReady(instance: Instance): void {
    this.#ready.set(instance.id, instance)
  }

  /** Removes it from the next routes to be published. */
  unmark(id: string): boolean {
    return this.#ready.delete(id)
  }

  drain(id: string, work: Promise<void>): Promise<void> {
    const draining = work.finally(() => this.#draining.delete(id))
    this.#draining.set(id, draining)
    return draining
  }

  async drained(): Promise<void> {
    await Promise.allSettled(this.#draining.values())
  }

  backoff(route: string): Backoff {
    let backoff = this.#deaths.get(route)
    if (!backoff) this.#deaths.set(route, (backoff = new Backoff()))
    return backoff
  }

  noteExit(route: string, exit: NonNullable<DeploymentView['lastExit']>): void {
    this.#lastExit.set(route, exit)
  }

  lastExit(route: string): DeploymentView['lastExit'] {
    return this.#lastExit.get(route)
  }

  /** A new version starts with a clean record. */
  forgive(route: string): void {
    this.#deaths.delete(route)
    this.#lastExit.delete(route)
  }
}
