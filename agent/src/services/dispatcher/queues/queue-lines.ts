/**
 * Tells those who follow what is in the queues of functions: the agent has more instances where calls wait for long, and
 * none asleep where there are calls.
 *
 * Invariants: 1. What a delivery says of the rest of its queue costs no request. The bus is asked about one queue at a
 * time, and about a queue at most once in CHECK_MS while its calls wait or run here, once in CHECK_LATER_MS while they
 * only wait to be tried again, and never while it is empty. 2. While nobody follows, nothing is asked and no timer runs.
 * 3. A queue is told of at most every EVERY_MS while calls of it are taken or wait, and once more when it is empty.
 * 4. Who begins to follow is told of every queue that is not empty.
 */
import type { Backlog, StreamDelivery } from '../../../bus/index.ts'
import type { QueueLine } from '../dispatcher-control.ts'

const EVERY_MS = 500
const CHECK_MS = 1_000
const CHECK_LATER_MS = 10_000

export type QueueSink = (lines: QueueLine[]) => void

export interface QueueFacts {
  /** Asks the bus. */
  backlog(): Promise<Backlog>
  /** Whether calls run in this dispatcher. */
  isRunning(): boolean
}

/** One queue. */
export class WatchedQueue {
  readonly name: string
  calls = 0
  waiting = 0
  /** When the next call was published, or a little earlier; milliseconds since 1970. */
  #headSince: number | undefined
  /** When the bus is to be asked, of a monotonic clock. */
  #checkAt = Infinity
  readonly #facts: QueueFacts
  readonly #onChange: (queue: WatchedQueue) => void

  constructor(name: string, facts: QueueFacts, onChange: (queue: WatchedQueue) => void) {
    this.name = name
    this.#facts = facts
    this.#onChange = onChange
  }

  delivered({ count, storedAtMs, remaining }: Pick<StreamDelivery, 'count' | 'storedAtMs' | 'remaining'>): void {
    this.calls = Math.max(this.calls, remaining + 1)
    this.#setWaiting(remaining, count === 1 ? storedAtMs : undefined)
    this.#checkAt = Math.min(this.#checkAt, performance.now() + CHECK_MS)
    this.#onChange(this)
  }

  isDue(now: number): boolean {
    return this.#checkAt <= now
  }

  /** As far as is known. */
  get isEmpty(): boolean {
    return this.#checkAt === Infinity
  }

  /** To be asked about in the next round, whatever is known. */
  expire(): void {
    this.#checkAt = -Infinity
  }

  /** If the bus does not answer, the queue is what it was. */
  async check(): Promise<void> {
    const backlog = await this.#facts.backlog().catch(() => undefined)
    if (backlog !== undefined) {
      this.calls = backlog.waiting + backlog.delivered
      this.#setWaiting(backlog.waiting)
    }
    const isBusy = backlog === undefined || this.waiting > 0 || this.#facts.isRunning()
    this.#checkAt = isBusy
      ? performance.now() + CHECK_MS
      : this.calls > 0
        ? performance.now() + CHECK_LATER_MS
        : Infinity
  }

  line(): QueueLine {
    const { name, calls, waiting } = this
    const now = Date.now()
    return { name, calls, waiting, ageMs: Math.max(0, now - (this.#headSince ?? now)) }
  }

  #setWaiting(waiting: number, since?: number): void {
    this.waiting = waiting
    this.#headSince = waiting === 0 ? undefined : (since ?? this.#headSince ?? Date.now())
  }
}

export class QueueLines {
  readonly #queues = new Set<WatchedQueue>()
  readonly #sinks = new Set<QueueSink>()
  readonly #changed = new Set<WatchedQueue>()
  #timer: NodeJS.Timeout | undefined
  #isInRound = false

  /** @returns what hears of its deliveries */
  watch(name: string, facts: QueueFacts): WatchedQueue {
    const queue = new WatchedQueue(name, facts, changed => this.#note(changed))
    this.#queues.add(queue)
    if (this.#sinks.size > 0) queue.expire()
    this.#goOn(0)
    return queue
  }

  /** Its function is removed: calls that are left wait until it is deployed again. */
  unwatch(queue: WatchedQueue): void {
    this.#queues.delete(queue)
    this.#changed.delete(queue)
  }

  /** @returns what ends it */
  follow(sink: QueueSink): () => void {
    // What has happened while nobody listened is not known.
    for (const queue of this.#queues) queue.expire()
    this.#sinks.add(sink)
    this.#goOn(0)
    return () => void this.#sinks.delete(sink)
  }

  close(): void {
    this.#sinks.clear()
    clearTimeout(this.#timer)
  }

  #note(queue: WatchedQueue): void {
    if (this.#sinks.size === 0 || !this.#queues.has(queue)) return
    this.#changed.add(queue)
    this.#goOn(EVERY_MS)
  }

  #goOn(afterMs: number): void {
    if (this.#sinks.size === 0 || this.#isInRound) return
    if (this.#timer !== undefined && afterMs > 0) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#runRound(), afterMs).unref()
  }

  async #runRound(): Promise<void> {
    this.#timer = undefined
    this.#isInRound = true
    for (const queue of [...this.#queues]) {
      if (!queue.isDue(performance.now())) continue
      const before = queue.calls
      await queue.check()
      if (queue.calls + before > 0 && this.#queues.has(queue)) this.#changed.add(queue)
    }
    this.#isInRound = false
    const lines = [...this.#changed].map(queue => queue.line())
    this.#changed.clear()
    if (lines.length > 0) for (const sink of this.#sinks) sink(lines)
    if ([...this.#queues].some(({ isEmpty }) => !isEmpty)) this.#goOn(EVERY_MS)
  }
}
