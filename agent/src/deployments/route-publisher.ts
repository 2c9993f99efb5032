/**
 * Tells proxies and dispatchers what is deployed, and where it runs. Invariants: tables are published one after another
 * with rising generations (also across restarts of the agent); `publish` resolves only once the proxies serve the
 * table, so that an instance taken out of it may be drained; while a proxy is down, publishing is retried, and the
 * proxy serves its last table from disk.
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

  /** Publishes what is current when it is sent; calls before that share one further round. */
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

  /** For parts that came back; before the first publication there is no complete table. */
  async republish(): Promise<void> {
    if (this.#generation > 0) await this.publish()
  }

  async #send(): Promise<void> {
    const deadline = performance.now() + GIVE_UP_MS
    for (;;) {
      // The clock keeps generations rising across restarts without another file.
      this.#generation = Math.max(this.#generation + 1, Date.now())
      try {
        return await this.#channel.publish({ generation: this.#generation, routes: this.#current() })
      } catch (error) {
        // The clock was set back: continue from the generation that is served.
        if (error instanceof StaleTableError) this.#generation = Math.max(this.#generation, error.generation)
        if (performance.now() > deadline) {
          throw new RyoFaasError('PART_FAILED', 'the proxy did not accept the new routes', { cause: error })
        }
        await delay(RETRY_MS)
      }
    }
  }
}
