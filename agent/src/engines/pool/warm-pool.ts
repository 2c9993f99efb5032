/**
 * Keeps instances waiting, for each engine that has a way to begin one. Invariants:
 *
 * 1. Each is handed out once, and never comes back.
 * 2. `size` are kept of each class that was wanted lately, for at most MOST_CLASSES of them.
 * 3. One is begun each PACE_MS, and when nobody has taken one for QUIET_MS: who takes one is busy deploying, and a process
 *    that boots has a processor to itself for half of that time.
 * 4. After `close` nothing is begun any more, and what was being begun is discarded.
 */
import { backoffMs } from '../../host/index.ts'
import { keyOf, type PoolClass } from './pool-class.ts'

const MOST_CLASSES = 3
const QUIET_MS = 250
const PACE_MS = 250
const AGAIN = { firstMs: 1_000, mostMs: 60_000 }

/** How an engine begins a waiting instance, and gets rid of one. */
export interface Waiters<Waiter> {
  begin(of: PoolClass, signal: AbortSignal): Promise<Waiter>
  discard(waiter: Waiter): Promise<void>
}

interface Shelf<Waiter> {
  of: PoolClass
  waiting: Waiter[]
}

export class WarmPool<Waiter> {
  readonly #size: number
  readonly #waiters: Waiters<Waiter>
  /** By class; the one wanted last is at the end. */
  readonly #shelves = new Map<string, Shelf<Waiter>>()
  readonly #closing = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #filling: Promise<void> | undefined
  #isOpen = false
  #takenAt = -Infinity
  #failures = 0
  #failure: string | undefined

  constructor(size: number, waiters: Waiters<Waiter>) {
    this.#size = size
    this.#waiters = waiters
  }

  /** How many wait. */
  get count(): number {
    return [...this.#shelves.values()].reduce((sum, { waiting }) => sum + waiting.length, 0)
  }

  /** Why the last attempt to begin one failed; undefined if it did not. */
  get failure(): string | undefined {
    return this.#failure
  }

  /** From here on instances are begun, of the last class first. */
  open(classes: readonly PoolClass[]): void {
    this.#isOpen = true
    for (const of of classes) this.#want(of)
    this.#fillLater(QUIET_MS)
  }

  /** The one that has waited longest. Also without one: from now on some of this class are kept. */
  take(of: PoolClass): Waiter | undefined {
    const waiter = this.#want(of).waiting.shift()
    if (waiter !== undefined) this.#takenAt = performance.now()
    this.#fillLater(QUIET_MS)
    return waiter
  }

  /** Stops; what waits is left alone. */
  async close(): Promise<void> {
    this.#closing.abort()
    clearTimeout(this.#timer)
    await this.#filling
  }

  /** Stops, and discards what waits. */
  async empty(): Promise<void> {
    await this.close()
    const waiting = [...this.#shelves.values()].flatMap(shelf => shelf.waiting.splice(0))
    await Promise.all(waiting.map(waiter => this.#waiters.discard(waiter)))
  }

  #want(of: PoolClass): Shelf<Waiter> {
    const key = keyOf(of)
    const shelf = this.#shelves.get(key) ?? { of, waiting: [] }
    this.#shelves.delete(key)
    this.#shelves.set(key, shelf)
    return shelf
  }

  #fillLater(delayMs: number): void {
    const isComing = this.#timer !== undefined || this.#filling !== undefined
    if (!this.#isOpen || this.#closing.signal.aborted || isComing) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#filling = this.#fill().finally(() => (this.#filling = undefined))
    }, delayMs)
    this.#timer.unref()
  }

  /** Once this round has ended. */
  #fillAgain(delayMs: number): void {
    setImmediate(() => this.#fillLater(delayMs))
  }

  async #fill(): Promise<void> {
    await this.#dropSurplus()
    const { signal } = this.#closing
    const shelf = [...this.#shelves.values()].findLast(({ waiting }) => waiting.length < this.#size)
    if (shelf === undefined || signal.aborted) return
    const restMs = this.#takenAt + QUIET_MS - performance.now()
    if (restMs > 0) return this.#fillAgain(restMs)
    try {
      const waiter = await this.#waiters.begin(shelf.of, signal)
      this.#failures = 0
      this.#failure = undefined
      if (signal.aborted) return await this.#waiters.discard(waiter)
      shelf.waiting.push(waiter)
      this.#fillAgain(PACE_MS)
    } catch (error) {
      if (signal.aborted) return
      this.#failure = (error as Error).message
      this.#fillAgain(backoffMs(AGAIN, (this.#failures += 1)))
    }
  }

  async #dropSurplus(): Promise<void> {
    const surplus = [...this.#shelves].slice(0, -MOST_CLASSES)
    for (const [key, { waiting }] of surplus) {
      this.#shelves.delete(key)
      await Promise.all(waiting.map(waiter => this.#waiters.discard(waiter))).catch(() => undefined)
    }
  }
}
