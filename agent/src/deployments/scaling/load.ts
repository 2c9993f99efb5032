/**
 * How much is asked of one function, from what each proxy and each dispatcher reports, and how many instances that
 * takes. Only arithmetic; times are milliseconds of a monotonic clock, given by the caller.
 */
import type { Scale } from '../../contract/index.ts'
import type { QueueLine } from '../../services/dispatcher/index.ts'
import type { Demand } from '../../services/proxy/index.ts'

/** Over so long the average is taken. */
const WINDOW_MS = 2_000
/** A queue in which calls wait for longer is too long for the instances that there are. */
const QUEUE_AGE_MS = 1_000

export interface LoadFigures {
  inflight: number
  waiting: number
  /** Calls in flight on average over the last two seconds. */
  average: number
  /** Asynchronous calls that no dispatcher has taken yet, and for how long the next of them has waited. */
  queued: number
  queueAgeMs: number
}

export interface Shape extends Scale {
  /** Of one instance; 0: no limit. */
  concurrency: number
  /** Most asynchronous calls at a time, of all instances together. */
  asyncConcurrency: number
  /** How many are awake. */
  awake: number
}

/**
 * Enough for what is there now, also at its peak; enough that on average an instance is not busier than `target`; and
 * as long as calls wait in the queue for long, twice as many as there are, but not more than calls that can run.
 */
export function wantedInstances(load: LoadFigures, shape: Shape): number {
  const { min, max, target, concurrency } = shape
  const now = load.inflight + load.waiting
  const forQueue = wantedForQueue(load, shape)
  if (concurrency === 0) return Math.min(max, Math.max(min, now > 0 ? 1 : 0, forQueue))
  const atOnce = Math.ceil(now / concurrency)
  const onAverage = Math.ceil(load.average / (concurrency * target))
  return Math.min(max, Math.max(min, atOnce, onAverage, forQueue))
}

/** The first one is woken by the first call; how many more are of use shows only by how long calls wait. */
function wantedForQueue({ inflight, waiting, queued, queueAgeMs }: LoadFigures, shape: Shape): number {
  const { awake, asyncConcurrency } = shape
  if (queued === 0 || awake === 0) return 0
  const most = Math.min(asyncConcurrency, inflight + waiting + queued)
  return Math.min(queueAgeMs < QUEUE_AGE_MS ? awake : 2 * awake, most)
}

export class Load {
  /** By proxy, its latest line. */
  readonly #latest = new Map<string, Demand>()
  /** By dispatcher, its latest line. All of them look at the same queue, not always at the same time. */
  readonly #queues = new Map<string, QueueLine>()
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

  noteQueue(dispatcher: string, line: QueueLine, now: number): void {
    const wasBusy = this.#isBusy
    if (line.calls > 0) this.#queues.set(dispatcher, line)
    else this.#queues.delete(dispatcher)
    if (wasBusy || this.#isBusy) this.#busyAt = now
  }

  /** Nothing is known any longer of what goes through this proxy or dispatcher: it may be busy. */
  forget(source: string, now: number): void {
    this.#latest.delete(source)
    this.#queues.delete(source)
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
    return { ...this.#sums(), ...this.#queue(), average: this.#average(now) }
  }

  /** With the most calls that there were at a time since this was last called, as those in flight. */
  takePeak(now: number): LoadFigures {
    const { inflight, waiting } = this.#sums()
    const peak = Math.max(this.#peak, inflight + waiting)
    this.#peak = 0
    return { inflight: peak, waiting: 0, ...this.#queue(), average: this.#average(now) }
  }

  /** Also with calls that are tried again later. */
  get #isBusy(): boolean {
    const { inflight, waiting } = this.#sums()
    return inflight + waiting > 0 || this.#queues.size > 0
  }

  #queue(): Pick<LoadFigures, 'queued' | 'queueAgeMs'> {
    const lines = [...this.#queues.values()]
    const most = (values: number[]) => Math.max(0, ...values)
    return { queued: most(lines.map(({ waiting }) => waiting)), queueAgeMs: most(lines.map(({ ageMs }) => ageMs)) }
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
