/**
 * Tells the proxy where to send calls. Invariants: tables go out one after the other with rising generations (also
 * over restarts of the agent); `publish` resolves only once the proxy serves the table, so that an instance taken out
 * of it may be drained; while the proxy is away it is tried again, and the proxy serves its last table from disk.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { RyoFaasError } from '../contract/index.ts'
import { StaleTableError } from '../services/proxy/index.ts'
import type { DeployedRoute } from './deployed-route.ts'

const RETRY_MS = 50
const GIVE_UP_MS = 30_000

export interface RouteSink {
  /** @throws StaleTableError carrying the generation that is served, if that is not lower */
  setRoutes(table: { generation: number; routes: DeployedRoute[] }): Promise<void>
}

export class RoutePublisher {
  readonly #sink: RouteSink
  readonly #current: () => DeployedRoute[]
  #generation = 0
  #running: Promise<void> | undefined
  #queued: Promise<void> | undefined

  constructor(sink: RouteSink, current: () => DeployedRoute[]) {
    this.#sink = sink
    this.#current = current
  }

  /** Publishes what is current when it is sent; calls that come before that share one further round. */
  publish(): Promise<void> {
    if (!this.#running) {
      this.#running = this.#send().finally(() => (this.#running = undefined))
      return this.#running
    }
    this.#queued ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#queued = undefined
        return this.publish()
      })
    return this.#queued
  }

  async #send(): Promise<void> {
    const deadline = performance.now() + GIVE_UP_MS
    for (;;) {
      // The clock keeps generations rising over restarts without another file to keep.
      this.#generation = Math.max(this.#generation + 1, Date.now())
      try {
        return await this.#sink.setRoutes({ generation: this.#generation, routes: this.#current() })
      } catch (error) {
        // The clock was set back: from here it goes on from what is served.
        if (error instanceof StaleTableError) this.#generation = Math.max(this.#generation, error.generation)
        if (performance.now() > deadline) {
          throw new RyoFaasError('PART_FAILED', 'the proxy does not take the new routes', { cause: error })
        }
        await delay(RETRY_MS)
      }
    }
  }
}
