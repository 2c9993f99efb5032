/**
 * Tells proxies and dispatchers what is deployed, and where it runs. Invariants: tables go out one after the other with
 * rising generations (also over restarts of the agent); `publish` resolves only once the proxies serve the table, so that an
 * instance taken out of it may be drained; while a proxy is away it is tried again, and the proxy serves its last table
 * from disk.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { RyoFaasError } from '../contract/index.ts'
import { StaleTableError, type Route, type RouteChannel } from '../routes/index.ts'

const RETRY_MS = 50
const GIVE_UP_MS = 30_000

export class RoutePublisher {
  readonly #channel: RouteChannel
  readonly #current: () => Route[]
  #generation = 0
  #running: Promise<void> | undefined
  #queued: Promise<void> | undefined

  constructor(channel: RouteChannel, current: () => Route[]) {
    this.#channel = channel
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

  /** For those who came back; before anything was published there is nothing that is whole. */
  async republish(): Promise<void> {
    if (this.#generation > 0) await this.publish()
  }

  async #send(): Promise<void> {
    const deadline = performance.now() + GIVE_UP_MS
    for (;;) {
      // The clock keeps generations rising over restarts without another file to keep.
      this.#generation = Math.max(this.#generation + 1, Date.now())
      try {
        return await this.#channel.publish({ generation: this.#generation, routes: this.#current() })
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
