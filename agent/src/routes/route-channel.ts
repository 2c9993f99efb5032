/**
 * The one way of routes from the agent to everybody who needs them: `RouteReader` is who needs them, `RouteChannel` reaches
 * all of those.
 *
 * Invariants of a channel: 1. when `publish` resolves, every proxy serves the table, so that an instance that is not in it
 * may be drained. 2. a dispatcher gets the table after the proxies: it calls through them. 3. a dispatcher that is away
 * or does not answer holds nobody up; it gets the newest table as soon as it takes it. 4. a reader keeps the table it has
 * while the agent is away.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { StaleTableError } from './route-keeper.ts'
import type { RouteTable } from './route.ts'

export interface RouteReader {
  /**
   * Resolves once the table is served, and will be after a restart.
   * @throws StaleTableError if a newer one is served; whatever says that the reader cannot be reached
   */
  setRoutes(table: RouteTable): Promise<void>
}

export interface RouteChannel {
  /** @throws StaleTableError if a reader has a newer one; whatever says why a proxy did not take it */
  publish(table: RouteTable): Promise<void>
}

const RETRY_MS = 250

/** Brings the table to each reader itself. */
export class PushChannel implements RouteChannel {
  readonly #proxies: readonly RouteReader[]
  readonly #dispatchers: readonly RouteReader[]
  /** Dispatchers that lack the newest table. */
  readonly #late = new Set<RouteReader>()
  readonly #onLate: (error: Error) => void
  #newest: RouteTable | undefined
  #isClosed = false

  /** @param onLate told once why a dispatcher did not take a table; it is tried again */
  constructor(
    readers: { proxies: readonly RouteReader[]; dispatchers: readonly RouteReader[] },
    onLate: (error: Error) => void = () => undefined,
  ) {
    this.#onLate = onLate
    this.#proxies = readers.proxies
    this.#dispatchers = readers.dispatchers
  }

  async publish(table: RouteTable): Promise<void> {
    await Promise.all(this.#proxies.map(proxy => proxy.setRoutes(table)))
    this.#newest = table
    await Promise.all(this.#dispatchers.map(dispatcher => this.#hand(dispatcher, table)))
  }

  /** Nobody is followed any longer. */
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
        // The next table is brought to it directly, and its publisher hears of it.
        if (error instanceof StaleTableError) break
      }
    }
    this.#late.delete(reader)
  }
}
