/**
 * How often each caller may call: at most `calls` in any period of `periodMs`, and exactly that many under load (a
 * sliding window).
 *
 * Invariants: 1. Calls that are refused do not count. 2. A call leaves the window a period after it was made, to within a
 * thousandth of the period: calls closer together than that are counted as one entry, so a window has at most 1000.
 * 3. At most `MOST_WINDOWS` callers are remembered; then those whose window is empty are forgotten, and after them the
 * ones seen first.
 */
import type { RateLimit } from '../../../contract/index.ts'

const RESOLUTION = 1_000
const MOST_WINDOWS = 100_000

/** What is asked for: `count` calls of one caller. */
export interface RateRequest {
  caller: string
  limit: RateLimit
  count: number
}

export interface RateAnswer {
  /** How many of them may run. */
  granted: number
  /** When another may, if not all: milliseconds from now. */
  retryMs: number
}

export interface RateSource {
  take(caller: string, limit: RateLimit): RateAnswer | Promise<RateAnswer>
  /** Where calls are counted: from now on each of `count` proxies lets its part of a limit through, at least one call. */
  shareAmong?(count: number): void
}

class Window {
  /** When each entry began, and how many calls it stands for; in order, from `head` on. */
  readonly #times: number[] = []
  readonly #counts: number[] = []
  #head = 0
  #sum = 0

  take({ limit: { calls, periodMs }, count }: RateRequest, now: number): RateAnswer {
    this.#forget(now - periodMs)
    const granted = Math.min(count, Math.max(0, calls - this.#sum))
    if (granted > 0) this.#add(granted, now, periodMs / RESOLUTION)
    if (granted === count) return { granted, retryMs: 0 }
    return { granted, retryMs: Math.max(1, Math.ceil(this.#times[this.#head]! + periodMs - now)) }
  }

  isEmpty(now: number, periodMs: number): boolean {
    this.#forget(now - periodMs)
    return this.#sum === 0
  }

  #add(count: number, now: number, resolutionMs: number): void {
    this.#sum += count
    const last = this.#times.length - 1
    if (last >= this.#head && now - this.#times[last]! < resolutionMs) {
      this.#counts[last]! += count
      return
    }
    this.#times.push(now)
    this.#counts.push(count)
  }

  #forget(before: number): void {
    while (this.#head < this.#times.length && this.#times[this.#head]! <= before) {
      this.#sum -= this.#counts[this.#head]!
      this.#head += 1
    }
    if (this.#head <= RESOLUTION) return
    this.#times.splice(0, this.#head)
    this.#counts.splice(0, this.#head)
    this.#head = 0
  }
}

/** The windows of all callers, in one process. */
export class RateLimits implements RateSource {
  readonly #windows = new Map<string, { window: Window; periodMs: number }>()
  readonly #now: () => number
  #sharers = 1

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  take(caller: string, limit: RateLimit): RateAnswer {
    return this.takeSome({ caller, limit, count: 1 })
  }

  shareAmong(count: number): void {
    this.#sharers = count
  }

  takeSome({ caller, limit: whole, count }: RateRequest): RateAnswer {
    const limit = this.#sharers === 1 ? whole : partOf(whole, this.#sharers)
    const now = this.#now()
    let found = this.#windows.get(caller)
    if (found === undefined) {
      if (this.#windows.size >= MOST_WINDOWS) this.#makeRoom(now)
      found = { window: new Window(), periodMs: limit.periodMs }
      this.#windows.set(caller, found)
    }
    found.periodMs = limit.periodMs
    return found.window.take({ caller, limit, count }, now)
  }

  get size(): number {
    return this.#windows.size
  }

  #makeRoom(now: number): void {
    for (const [caller, { window, periodMs }] of this.#windows) {
      if (window.isEmpty(now, periodMs)) this.#windows.delete(caller)
    }
    let excess = this.#windows.size - MOST_WINDOWS * 0.9
    for (const caller of this.#windows.keys()) {
      if (excess-- <= 0) return
      this.#windows.delete(caller)
    }
  }
}

function partOf({ calls, periodMs }: RateLimit, sharers: number): RateLimit {
  return { calls: Math.max(1, Math.floor(calls / sharers)), periodMs }
}

interface Asked {
  caller: string
  limit: RateLimit
  resolve: (answer: RateAnswer) => void
  reject: (error: unknown) => void
}

/**
 * The windows of several proxy processes, which are in another one: it is asked for all calls of one turn of the event
 * loop at once. So limits are exact whichever process a caller's connections are at.
 */
export class SharedRates implements RateSource {
  readonly #ask: (requests: RateRequest[]) => Promise<RateAnswer[]>
  #asked: Asked[] = []

  constructor(ask: (requests: RateRequest[]) => Promise<RateAnswer[]>) {
    this.#ask = ask
  }

  take(caller: string, limit: RateLimit): Promise<RateAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#asked.push({ caller, limit, resolve, reject }) === 1) setImmediate(() => void this.#send())
    })
  }

  async #send(): Promise<void> {
    const all = this.#asked
    this.#asked = []
    const byCaller = new Map<string, Asked[]>()
    for (const asked of all) {
      const same = byCaller.get(asked.caller)
      if (same === undefined) byCaller.set(asked.caller, [asked])
      else same.push(asked)
    }
    try {
      const requests = Array.from(byCaller, ([caller, [first, ...more]]) => {
        return { caller, limit: first!.limit, count: 1 + more.length }
      })
      const answers = await this.#ask(requests)
      Array.from(byCaller.values()).forEach((asked, index) => {
        const { granted, retryMs } = answers[index]!
        asked.forEach(({ resolve }, at) => resolve({ granted: at < granted ? 1 : 0, retryMs }))
      })
    } catch (error) {
      for (const { reject } of all) reject(error)
    }
  }
}
