/**
 * Looks at each function when something is due there: an instance has been idle, or has slept, for as long as it may.
 *
 * Invariant: one function at a time, because to put one to sleep costs some 20 ms of a processor, which calls to others
 * may need. But none waits longer than PATIENCE_MS for another, where a deploy may go on, or nobody answers.
 */
import { KeyedQueue } from '../../host/index.ts'

/** To freeze a function takes less, to remove a container as long. */
const PATIENCE_MS = 250

export interface LooksOptions {
  /** By route: what is done to a deployment. */
  queue: KeyedQueue
  /** @returns undefined if nothing is due before something changes there */
  dueInMs(route: string): number | undefined
  /** In the queue of the route. */
  look(route: string): Promise<void>
  log: { warn(details: object, message: string): void }
}

export class Looks {
  readonly #options: LooksOptions
  /** By route, when the next look is due; it may have to wait for its turn. */
  readonly #timers = new Map<string, { at: number; timer: NodeJS.Timeout }>()
  readonly #turns = new KeyedQueue()
  #isClosed = false

  constructor(options: LooksOptions) {
    this.#options = options
  }

  /** Something has changed there. */
  arm(route: string): void {
    if (this.#isClosed) return
    const due = this.#options.dueInMs(route)
    if (due === undefined) return
    const at = performance.now() + due
    const armed = this.#timers.get(route)
    if (armed !== undefined && armed.at <= at) return
    clearTimeout(armed?.timer)
    const timer = setTimeout(() => void this.#turns.run('look', () => this.#take(route)), due)
    this.#timers.set(route, { at, timer: timer.unref() })
  }

  forget(route: string): void {
    clearTimeout(this.#timers.get(route)?.timer)
    this.#timers.delete(route)
  }

  close(): void {
    this.#isClosed = true
    for (const { timer } of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }

  /** Resolves when it is the turn of another. */
  async #take(route: string): Promise<void> {
    const { queue, look, log } = this.#options
    this.#timers.delete(route)
    const looked = queue
      .run(route, () => look(route))
      .catch((error: unknown) => log.warn({ route, err: error as Error }, 'scaling failed'))
      .finally(() => this.arm(route))
    await Promise.race([looked, new Promise(resolve => setTimeout(resolve, PATIENCE_MS).unref())])
  }
}
