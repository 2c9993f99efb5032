/**
 * How much is asked of one function, from what each proxy reports, and how many instances that takes. Only arithmetic;
 * times are milliseconds of a monotonic clock, given by the caller.
 */
import type { Scale } from '../../contract/index.ts'
import type { Demand } from '../../services/proxy/index.ts'

/** Over so long the average is taken. */
const WINDOW_MS = 2_000

export interface LoadFigures {
  inflight: number
  waiting: number
  /** Calls in flight on average over the last two seconds. */
  average: number
}

/**
 * Enough for what is there now, also at its peak; and enough that on average an instance is not busier than `target`.
 * @param concurrency of one instance; 0: no limit
 */
export function wantedInstances(load: LoadFigures, { min, max, target, concurrency }: Scale & { concurrency: number }) {
  const now = load.inflight + load.waiting
  if (concurrency === 0) return Math.min(max, Math.max(min, now > 0 ? 1 : 0))
  const atOnce = Math.ceil(now / concurrency)
  const onAverage = Math.ceil(load.average / (concurrency * target))
  return Math.min(max, Math.max(min, atOnce, onAverage))
}

export class Load {
  /** By proxy, its latest line. */
  readonly #latest = new Map<string, Demand>()
  /** Since when how many were in flight; the first may be older than the window. */
  #steps: { at: number; inflight: number }[] = []
  #busyAt: number
  /** Most calls at a time since it was last asked for. */
  #peak = 0

  constructor(now: number) {
    this.#busyAt = now
  }

  note(proxy: string, demand: Demand, now: number): void {
    const wasBusy = this.#isBusy
    this.#latest.set(proxy, demand)
    if (demand.calls > 0 || this.#isBusy || wasBusy) this.#busyAt = now
    const { inflight, waiting } = this.#sums()
    this.#peak = Math.max(this.#peak, inflight + waiting)
    this.#step(now)
  }

  /** Nothing is known any longer of what goes through this proxy: it may be busy. */
  forget(proxy: string, now: number): void {
    this.#latest.delete(proxy)
    this.#busyAt = now
    this.#step(now)
  }

  /** Since when there has been no call. */
  idleMs(now: number): number {
    return this.#isBusy ? 0 : now - this.#busyAt
  }

  /** As if there had just been a call. */
  touch(now: number): void {
    this.#busyAt = now
  }

  figures(now: number): LoadFigures {
    return { ...this.#sums(), average: this.#average(now) }
  }

  /** With the most calls that there were at a time since this was last called, as those in flight. */
  takePeak(now: number): LoadFigures {
    const { inflight, waiting } = this.#sums()
    const peak = Math.max(this.#peak, inflight + waiting)
    this.#peak = 0
    return { inflight: peak, waiting: 0, average: this.#average(now) }
  }

  get #isBusy(): boolean {
    const { inflight, waiting } = this.#sums()
    return inflight + waiting > 0
  }

  #sums(): Pick<LoadFigures, 'inflight' | 'waiting'> {
    const sum = { inflight: 0, waiting: 0 }
    for (const { inflight, waiting } of this.#latest.values()) {
      sum.inflight += inflight
      sum.waiting += waiting
    }
    return sum
  }

  #step(now: number): void {
    this.#steps.push({ at: now, inflight: this.#sums().inflight })
    const from = this.#steps.findLastIndex(({ at }) => at <= now - WINDOW_MS)
    if (from > 0) this.#steps = this.#steps.slice(from)
  }

  #average(now: number): number {
    const begin = now - WINDOW_MS
    const area = this.#steps.reduce((total, { at, inflight }, index) => {
      const until = this.#steps[index + 1]?.at ?? now
      return total + inflight * Math.max(0, until - Math.max(at, begin))
    }, 0)
    return area / WINDOW_MS
  }
}
