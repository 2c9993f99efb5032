/**
 * A trace of calls, made from a seed and shaped like the public ones of Azure Functions (Shahrad et al., ATC 2020; the
 * invocation trace of 2021): most functions are called less than once a minute and many hardly ever, some by a timer,
 * some in bursts with long gaps between them, and a few make up most of all calls.
 */
import { SeededRandom } from '../../agent/test/chaos/seeded-random.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

export interface Arrival {
  /** Since the beginning. */
  atMs: number
  /** Which function, from 0. */
  fn: number
  /** How long the function works. */
  workMs: number
}

type Kind = 'rare' | 'timer' | 'bursts' | 'regular' | 'hot'

/** Of a hundred functions. */
const SHARES: readonly (readonly [Kind, number])[] = [
  ['rare', 50],
  ['timer', 18],
  ['bursts', 20],
  ['regular', 7],
  ['hot', 5],
]

export interface TraceOptions {
  seed: number
  functions: number
  durationMs: number
  /** Calls of a hot function per second of the trace. */
  hotPerSecond: number
}

/** In order of time. */
export function makeArrivals({ seed, functions, durationMs, hotPerSecond }: TraceOptions): Arrival[] {
  const random = new SeededRandom(seed)
  const exponential = (meanMs: number) => -Math.log(1 - random.next()) * meanMs
  const poisson = (meanMs: number): number[] => {
    const times: number[] = []
    for (let at = exponential(meanMs); at < durationMs; at += exponential(meanMs)) times.push(at)
    return times
  }
  /** Log-uniform: as likely between 1 and 10 as between 10 and 100. */
  const spread = (least: number, most: number) => least * (most / least) ** random.next()
  const times: Record<Kind, () => number[]> = {
    rare: () => poisson(spread(4 * HOUR_MS, 48 * HOUR_MS)),
    timer: () => {
      const everyMs = random.pick([5, 15, 30, 60, 60, 360]) * MINUTE_MS
      const first = random.next() * everyMs
      return Array.from(
        { length: Math.max(0, Math.ceil((durationMs - first) / everyMs)) },
        (_, n) => first + n * everyMs,
      )
    },
    bursts: () =>
      poisson(spread(HOUR_MS, 12 * HOUR_MS)).flatMap(begin => {
        const gapMs = spread(2_000, 20_000)
        return Array.from({ length: 3 + random.below(30) }, (_, n) => begin + n * gapMs * random.next() * 2)
      }),
    regular: () => poisson(spread(20_000, 3 * MINUTE_MS)),
    hot: () => poisson(1_000 / hotPerSecond),
  }
  const arrivals: Arrival[] = []
  for (let fn = 0; fn < functions; fn += 1) {
    const medianMs = spread(1, 30)
    for (const atMs of times[kindOf((fn + 0.5) / functions)]()) {
      if (atMs < durationMs) arrivals.push({ atMs, fn, workMs: Math.round(medianMs * (0.5 + random.next())) })
    }
  }
  return arrivals.sort((a, b) => a.atMs - b.atMs)
}

function kindOf(place: number): Kind {
  let below = 0
  for (const [kind, share] of SHARES) {
    below += share / 100
    if (place < below) return kind
  }
  return 'hot'
}

/** What it looks like, for readers. */
export function describeArrivals(arrivals: readonly Arrival[], { functions, durationMs }: TraceOptions): string {
  const counts = Array.from({ length: functions }, () => 0)
  for (const { fn } of arrivals) counts[fn]! += 1
  const share = (holds: (count: number) => boolean) => Math.round((100 * counts.filter(holds).length) / functions)
  const most = counts.toSorted((a, b) => b - a).slice(0, Math.max(1, Math.round(functions / 20)))
  const ofMost = Math.round((100 * most.reduce((sum, count) => sum + count, 0)) / arrivals.length)
  const lessThan = (perMs: number) => share(count => count < durationMs / perMs)
  return `${arrivals.length} calls of ${functions} functions in ${durationMs / HOUR_MS} h: ${lessThan(MINUTE_MS)} % of the functions less than once a minute, ${lessThan(HOUR_MS)} % less than once an hour; ${most.length} of them have ${ofMost} % of the calls`
}
