/**
 * Tells proxies and dispatchers what is deployed, and where it runs. Invariants: tables are published one after another
 * with rising generations (also across restarts of the agent); `publish` resolves only once the proxies serve the
 * table, so that an instance taken out of it may be drained; while a proxy is down, publishing is retried, and the
 * proxy serves its last table from disk; a route that is published alone does not wait for others to settle.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { RyoFaasError } from '../contract/index.ts'
import { StaleTableError, type Route, type RouteChannel, type RouteTable, type Served } from '../routes/index.ts'

export type CurrentTable = Omit<RouteTable, 'generation'>

/** What is to be served now. */
export interface CurrentRoutes {
  all(): CurrentTable | Promise<CurrentTable>
  /** @returns undefined if it is not deployed */
  one(name: string): Route | undefined
}

const RETRY_MS = 50
const GIVE_UP_MS = 30_000
const SETTLED: Served = { settled: Promise.resolve() }

export class RoutePublisher {
  readonly #channel: RouteChannel
  readonly #current: CurrentRoutes
  #generation = 0
  #running: Promise<void> | undefined
  #queued: Promise<void> | undefined
  #last: Promise<void> = Promise.resolve()

  constructor(channel: RouteChannel, current: CurrentRoutes) {
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

  /** Publishes one route as it is when it is sent. Resolves once the proxies serve it. */
  async publishOne(name: string): Promise<Served> {
    try {
      const served = await this.#inOrder(() => this.#sendOne(name))
      if (served !== undefined) return served
    } catch (error) {
      this.#learn(error)
    }
    await this.publish()
    return SETTLED
  }

  /** Before the first publication there is no complete table. */
  get hasPublished(): boolean {
    return this.#generation > 0
  }

  /** For parts that came back. */
  async republish(): Promise<void> {
    if (this.hasPublished) await this.publish()
  }

  async #send(): Promise<void> {
    const deadline = performance.now() + GIVE_UP_MS
    for (;;) {
      try {
        return await this.#inOrder(async onServed => {
          const current = await this.#current.all()
          return this.#channel.publish({ generation: this.#next(), ...current }, onServed)
        })
      } catch (error) {
        this.#learn(error)
        if (performance.now() > deadline) {
          throw new RyoFaasError('PART_FAILED', 'the proxy did not accept the new routes', { cause: error })
        }
        await delay(RETRY_MS)
      }
    }
  }

  /** @returns undefined if the whole table must be published instead */
  async #sendOne(name: string): Promise<Served | undefined> {
    const base = this.#generation
    const route = this.#current.one(name)
    if (base === 0 || route === undefined) return undefined
    return this.#channel.publishOne?.({ base, generation: this.#next(), route })
  }

  /** The clock keeps generations rising across restarts without another file. */
  #next(): number {
    this.#generation = Math.max(this.#generation + 1, Date.now())
    return this.#generation
  }

  /** The clock was set back: continue from the generation that is served. */
  #learn(error: unknown): void {
    if (error instanceof StaleTableError) this.#generation = Math.max(this.#generation, error.generation)
  }

  /** The proxies serve what was sent before when the next is sent, though it may not have settled. */
  #inOrder<T>(send: (onServed: () => void) => Promise<T>): Promise<T> {
    const turn = this.#last.then(() => {
      let onServed: () => void
      const served = new Promise<void>(resolve => (onServed = resolve))
      const sent = send(onServed!)
      sent.then(onServed!, onServed!)
      return { sent, served }
    })
    this.#last = turn.then(({ served }) => served)
    return turn.then(({ sent }) => sent)
  }
}
