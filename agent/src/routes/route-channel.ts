/**
 * How routes get from the agent to everything that needs them: each of these is a `RouteReader`, and a `RouteChannel`
 * reaches all of them.
 *
 * Invariants of a channel: 1. When `publish` resolves, every proxy serves the table, so that an instance that is not in
 * it may be drained. 2. A dispatcher gets the table after the proxies: it calls through them. 3. A dispatcher that is
 * down or is not responding delays nobody; it gets the newest table as soon as it accepts it. 4. A reader keeps its
 * table while the agent is down.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { StaleTableError } from './route-keeper.ts'
import type { RoutePatch, RouteTable } from './route.ts'

/** A route that is served from now on. */
export interface Served {
  /**
   * Resolves once nothing is in flight at instances that it no longer uses (or the reader no longer waits for that), and
   * the reader will not use them after a restart either. It need not be awaited.
   */
  settled: Promise<void>
}

export interface RouteReader {
  /**
   * Resolves once the table is served and has settled, and will be served after a restart.
   * @param onServed called when it is served: the next one may come
   * @throws StaleTableError if a newer one is served; or the error of a reader that cannot be reached
   */
  setRoutes(table: RouteTable, onServed?: () => void): Promise<void>
}

/** Also takes one route alone. */
export interface PatchReader extends RouteReader {
  /**
   * Resolves once the route is served.
   * @throws StaleTableError if another table than the patch's base is served; or the error of a reader that cannot be
   * reached
   */
  setRoute(patch: RoutePatch): Promise<Served>
}

export interface RouteChannel {
  /**
   * @param onServed called when all proxies serve it, also if it has not settled
   * @throws StaleTableError if a reader has a newer one; or the error of a proxy that did not accept it
   */
  publish(table: RouteTable, onServed?: () => void): Promise<void>
  /**
   * For channels that can: replaces one route in the table that was published last. Dispatchers do not get it: they do not look at instances.
   * @throws StaleTableError if a proxy serves another table: publish the whole; or the error of a proxy that did not
   * accept it
   */
  publishOne?(patch: RoutePatch): Promise<Served>
}

const RETRY_MS = 250

/** Pushes the table to each reader. */
export class PushChannel implements RouteChannel {
  readonly #proxies: readonly PatchReader[]
  readonly #dispatchers: readonly RouteReader[]
  /** Dispatchers that lack the newest table. */
  readonly #late = new Set<RouteReader>()
  readonly #onLate: (error: Error) => void
  #newest: RouteTable | undefined
  #isClosed = false

  /** @param onLate called once with the reason why a dispatcher did not accept a table; it is retried */
  constructor(
    readers: { proxies: readonly PatchReader[]; dispatchers: readonly RouteReader[] },
    onLate: (error: Error) => void = () => undefined,
  ) {
    this.#onLate = onLate
    this.#proxies = readers.proxies
    this.#dispatchers = readers.dispatchers
  }

  async publish(table: RouteTable, onServed?: () => void): Promise<void> {
    let awaited = this.#proxies.length
    const oneServes = () => {
      awaited -= 1
      if (awaited === 0) onServed?.()
    }
    const { triggerSecrets: ___, ...forProxies } = table
    await Promise.all(this.#proxies.map(proxy => proxy.setRoutes(forProxies, oneServes)))
    // A dispatcher lets nobody in.
    const { keys: _, secrets: __, ...without } = table
    this.#newest = without
    await Promise.all(this.#dispatchers.map(dispatcher => this.#hand(dispatcher, without)))
  }

  async publishOne(patch: RoutePatch): Promise<Served> {
    const served = await Promise.all(this.#proxies.map(proxy => proxy.setRoute(patch)))
    const settled = Promise.all(served.map(each => each.settled)).then(() => undefined)
    settled.catch(() => undefined)
    return { settled }
  }

  /** Stops all retries. */
  close(): void {
    this.#isClosed = true
  }

  async #hand(reader: RouteReader, table: RouteTable): Promise<void> {
    if (this.#late.has(reader)) return
    try {
      await reader.setRoutes(table)
    } catch (error) {
      if (error instanceof StaleTableError) throw error
      this.#onLate(error as Error)
      this.#late.add(reader)
      void this.#follow(reader)
    }
  }

  async #follow(reader: RouteReader): Promise<void> {
    let taken: RouteTable | undefined
    while (taken !== this.#newest && !this.#isClosed) {
      await delay(RETRY_MS, undefined, { ref: false })
      const table = this.#newest!
      try {
        await reader.setRoutes(table)
        taken = table
      } catch (error) {
        // The next table is pushed to it directly, and its publisher sees the error.
        if (error instanceof StaleTableError) break
      }
    }
    this.#late.delete(reader)
  }
}
