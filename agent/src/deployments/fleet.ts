/**
 * What the deployer knows about live instances beyond the engine: which are ready, frozen or being drained, how many are
 * wanted, and how often those of a deployment died. Kept in memory only, and rebuilt after a restart.
 *
 * Invariant: an instance is at most one of ready, frozen and kept; the routes show the first two.
 */
import type { DeploymentView } from '../contract/index.ts'
import type { Instance } from '../engines/index.ts'
import { Backoff } from '../supervisor/index.ts'

interface Asleep {
  instance: Instance
  /** Of a monotonic clock. */
  since: number
}

export class Fleet {
  readonly #ready = new Map<string, Instance>()
  readonly #frozen = new Map<string, Asleep>()
  /** Frozen ones of the version before, for a rollback. */
  readonly #kept = new Map<string, Asleep>()
  readonly #wanted = new Map<string, number>()
  readonly #unavailable = new Map<string, string>()
  readonly #listeners: ((route: string) => void)[] = []
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
    this.unmark(instance.id)
    this.#kept.delete(instance.id)
    this.#ready.set(instance.id, instance)
    this.#tell(instance.route)
  }

  /** It sleeps, or is about to: no call is sent to it. */
  markFrozen(instance: Instance, now: number): void {
    this.unmark(instance.id)
    this.#frozen.set(instance.id, { instance, since: now })
    this.#tell(instance.route)
  }

  /** It sleeps, and no route has it. */
  markKept(instance: Instance, now: number): void {
    this.unmark(instance.id)
    this.#kept.set(instance.id, { instance, since: now })
    this.#tell(instance.route)
  }

  isFrozen(id: string): boolean {
    return this.#frozen.has(id)
  }

  isKept(id: string): boolean {
    return this.#kept.has(id)
  }

  frozen(route?: string): Instance[] {
    return this.#asleep(this.#frozen, route)
  }

  kept(route: string): Instance[] {
    return this.#asleep(this.#kept, route)
  }

  /** Frozen and kept ones with the time since when they are. */
  sleepers(route: string): Asleep[] {
    return [...this.#frozen.values(), ...this.#kept.values()].filter(({ instance }) => instance.route === route)
  }

  /** Removes it from the next routes to be published. */
  unmark(id: string): boolean {
    const wasReady = this.#ready.delete(id)
    return this.#frozen.delete(id) || wasReady
  }

  forgetKept(id: string): void {
    this.#kept.delete(id)
  }

  /** How many are to be awake; undefined until it is known. */
  wanted(route: string): number | undefined {
    return this.#wanted.get(route)
  }

  want(route: string, count: number): void {
    this.#wanted.set(route, count)
  }

  /** Why the last wake failed; calls that wait are told so. */
  unavailable(route: string): string | undefined {
    return this.#unavailable.get(route)
  }

  markUnavailable(route: string, why: string | undefined): void {
    if (why === undefined) this.#unavailable.delete(route)
    else this.#unavailable.set(route, why)
  }

  /** Hears of every route of which an instance became ready or fell asleep. */
  listen(listener: (route: string) => void): void {
    this.#listeners.push(listener)
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

  /** The deployment is gone. */
  forget(route: string): void {
    this.forgive(route)
    this.#wanted.delete(route)
    for (const { instance } of this.sleepers(route)) {
      this.unmark(instance.id)
      this.#kept.delete(instance.id)
    }
  }

  #asleep(among: Map<string, Asleep>, route: string | undefined): Instance[] {
    const all = [...among.values()].map(({ instance }) => instance)
    return route === undefined ? all : all.filter(instance => instance.route === route)
  }

  #tell(route: string): void {
    for (const listener of this.#listeners) listener(route)
  }
}
