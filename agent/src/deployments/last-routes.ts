/**
 * What the agent before this one published last: it goes on as it was until what runs is known. A proxy that serves it
 * finds out by itself what of it has died, and an instance answers nobody who takes it for another one.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { backoffMs } from '../host/index.ts'
import type { Instance } from '../engines/index.ts'
import type { Route } from '../routes/index.ts'
import type { Fleet } from './fleet.ts'
import type { StateStore } from './state/index.ts'

export interface LastRoutesOptions {
  state: Pick<StateStore, 'deployment'>
  fleet: Fleet
  /** All of them. Resolves to undefined if they are not known; rejects if that cannot be found out now. */
  lastRoutes?: (() => Promise<readonly Route[] | undefined>) | undefined
  log: { warn(details: object, message: string): void }
}

const AGAIN = { firstMs: 100, mostMs: 1_000 }

export class LastRoutes {
  readonly #options: LastRoutesOptions
  /** Of deployments whose active version the agent before had not published when it died. */
  readonly #whole = new Map<string, Route>()
  #isOver = false

  constructor(options: LastRoutesOptions) {
    this.#options = options
  }

  /**
   * Takes their instances for ready.
   * @returns whether there was anything to go on with before it is over
   */
  async take(): Promise<boolean> {
    const { state, fleet } = this.#options
    const last = await this.#find()
    if (this.#isOver) return false
    for (const route of last ?? []) {
      if (route.version !== state.deployment(route.name)?.active) this.#whole.set(route.name, route)
      else for (const instance of instancesOf(route)) mark(fleet, instance)
    }
    return last !== undefined
  }

  /** To be published as it is. */
  whole(name: string): Route | undefined {
    return this.#whole.get(name)
  }

  /** What runs is known. */
  forget(): void {
    this.#isOver = true
    this.#whole.clear()
  }

  /** Where they are kept may be without a leader as well. */
  async #find(): Promise<readonly Route[] | undefined> {
    const { lastRoutes, log } = this.#options
    for (let failures = 1; !this.#isOver; failures += 1) {
      try {
        return await lastRoutes?.()
      } catch (error) {
        if (failures === 1) log.warn({ err: error as Error }, 'what was published last is asked for again')
        await delay(backoffMs(AGAIN, failures))
      }
    }
    return undefined
  }
}

function mark(fleet: Fleet, instance: Instance): void {
  if (instance.state.kind === 'frozen') fleet.markFrozen(instance, performance.now())
  else fleet.markReady(instance)
}

function instancesOf({ name: route, version, instances }: Route): Instance[] {
  return instances.map(({ id, host, port, isFrozen }) => ({
    // When it was started only the engine knows.
    ...{ id, route, version, name: id, startedAt: new Date(0).toISOString() },
    state: { kind: isFrozen === true ? 'frozen' : 'running', address: { host, port } },
  }))
}
