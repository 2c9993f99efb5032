/**
 * Tells those who listen how many calls each function has had. Invariants:
 *
 * 1. The proxy is asked once a second while somebody listens, and never otherwise.
 * 2. Told is only what has changed since it was last told.
 */
import type { CallCount } from '../contract/index.ts'
import type { ProxyStats } from '../services/proxy/index.ts'

const INTERVAL_MS = 1_000

export interface CallCountsOptions {
  /** @throws if the proxy is away */
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

  /** Counts until the answer is called. */
  watch(): () => void {
    // One that is under way goes on by itself.
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
    const stats = await this.#options.stats().catch(() => undefined) // It is brought back, and then asked again.
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
