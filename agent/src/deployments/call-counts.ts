/**
 * Reports to listeners how many calls each function has had. Invariants:
 *
 * 1. The proxy is polled once a second while there is a listener, and never otherwise.
 * 2. Only what has changed since the last report is reported.
 */
import type { CallCount } from '../contract/index.ts'
import type { ProxyStats } from '../services/proxy/index.ts'

const INTERVAL_MS = 1_000

export interface CallCountsOptions {
  /** @throws if the proxy is down */
  stats(): Promise<ProxyStats>
  tell(counts: CallCount[]): void
  intervalMs?: number
}

export class CallCounts {
  readonly #options: CallCountsOptions
  #listeners = 0
  #isAsking = false
  #timer: NodeJS.Timeout | undefined
  #told = new Map<string, string>()

  constructor(options: CallCountsOptions) {
    this.#options = options
  }

  /** Counts until the returned function is called. */
  watch(): () => void {
    // A poll in progress continues on its own.
    if (this.#listeners++ === 0 && !this.#isAsking) this.#next()
    return () => {
      if (--this.#listeners > 0) return
      clearTimeout(this.#timer)
      // The next one looks first.
      this.#told = new Map()
    }
  }

  #next(): void {
    this.#timer = setTimeout(() => {
      this.#isAsking = true
      void this.#count().finally(() => {
        this.#isAsking = false
        if (this.#listeners > 0) this.#next()
      })
    }, this.#options.intervalMs ?? INTERVAL_MS).unref()
  }

  async #count(): Promise<void> {
    const stats = await this.#options.stats().catch(() => undefined) // It is restarted, and then polled again.
    const counts = (stats?.functions ?? []).map(({ name, calls, errors, p95Ms }) => ({
      route: name,
      calls,
      errors,
      p95Ms,
    }))
    const changed = counts.filter(count => this.#told.get(count.route) !== JSON.stringify(count))
    for (const count of changed) this.#told.set(count.route, JSON.stringify(count))
    if (changed.length > 0 && this.#listeners > 0) this.#options.tell(changed)
  }
}
