/**
 * Metrics of the last half hour, in memory. Invariants: 1. bounded: samples of the last minutes are kept as they are,
 * older ones are merged, those beyond the window are dropped. 2. a part that does not respond leaves a gap, and what it
 * counted in the meantime is spread over that time; one that restarted counts from zero.
 */
import type { FunctionPoint, MetricsHistory, PlatformPoint } from '../../contract/index.ts'
import { pointOf } from './history-points.ts'
import { zeroCounts, type FunctionSample, type HistorySample } from './history-sample.ts'
import type { Reading } from './reading.ts'

export interface HistoryOptions {
  everyMs: number
  /** How many samples are kept as they are. */
  recent: number
  /** How many older ones are merged into one. */
  together: number
  /** Older samples are dropped. */
  windowMs: number
  /** Upper bound of a duration bucket, in milliseconds. */
  upperMs: (bucket: number) => number
}

export class History {
  readonly #options: HistoryOptions
  readonly #recent: HistorySample[] = []
  readonly #older: HistorySample[] = []
  /** No longer recent, waiting to be merged. */
  readonly #leaving: HistorySample[] = []
  #last: { of?: Reading; calls?: Reading; callsAt?: number; storeOps?: number; storeAt?: number } = {}

  constructor(options: HistoryOptions) {
    this.#options = options
  }

  /** @param t milliseconds since the epoch. */
  add(reading: Reading, t: number): void {
    const sample = this.#sampleOf(reading, t)
    if (sample) this.#push(sample)
  }

  /** @param since milliseconds since the epoch. */
  view({ since, name }: { since: number; name?: string | undefined }): MetricsHistory {
    const samples = [...this.#older, ...this.#leaving, ...this.#recent].filter(({ t }) => t > since)
    const { upperMs, everyMs } = this.#options
    const names = new Set(samples.flatMap(({ functions }) => [...functions.keys()]))
    const wanted = [...names].filter(each => name === undefined || each.toLowerCase() === name.toLowerCase()).sort()
    return {
      everyMs,
      platform: samples.map(sample => platformPoint(sample, upperMs)),
      functions: wanted.map(each => ({
        name: each,
        points: samples.flatMap((sample): FunctionPoint[] => {
          const counts = sample.functions.get(each)
          return counts ? [pointOf(counts, sample, upperMs)] : []
        }),
      })),
    }
  }

  /** Undefined for the first reading: it is only the baseline. */
  #sampleOf(reading: Reading, t: number): HistorySample | undefined {
    const last = this.#last
    const hasCalls = reading.counts !== undefined && last.calls !== undefined
    const functions = new Map<string, FunctionSample>()
    for (const [name, instances] of reading.instances) {
      const before = last.calls?.counts?.get(name)
      const now = reading.counts?.get(name)
      functions.set(name, {
        calls: hasCalls ? grown(now?.calls, before?.calls) : 0,
        errors: hasCalls ? grown(now?.errors, before?.errors) : 0,
        durations: hasCalls ? grownEach(now?.durations, before?.durations) : new Map<number, number>(),
        inflight: now?.inflight ?? 0,
        instances,
        frozen: reading.asleep?.get(name)?.frozen ?? 0,
        desired: reading.asleep?.get(name)?.desired ?? instances,
        coldStarts: grown(reading.coldStarts?.get(name), last.of?.coldStarts?.get(name)),
        queueDepth: reading.queueDepth?.get(name) ?? 0,
        dead: reading.dead?.get(name) ?? 0,
      })
    }
    const sample: HistorySample = {
      t,
      callsSpanMs: hasCalls ? t - last.callsAt! : 0,
      functions,
      storeOps: grown(reading.storeOps, last.storeOps),
      storeSpanMs: reading.storeOps !== undefined && last.storeAt !== undefined ? t - last.storeAt : 0,
      relayLagEvents: reading.relayLagEvents ?? null,
      relayLagSeconds: reading.relayLagSeconds ?? null,
      triggerLagEvents: reading.triggerLagEvents ?? null,
    }
    this.#last = {
      ...last,
      of: reading,
      ...(reading.counts && { calls: reading, callsAt: t }),
      ...(reading.storeOps !== undefined && { storeOps: reading.storeOps, storeAt: t }),
    }
    return last.of === undefined ? undefined : sample
  }

  #push(sample: HistorySample): void {
    const { recent, together, windowMs } = this.#options
    this.#recent.push(sample)
    if (this.#recent.length > recent) this.#leaving.push(this.#recent.shift()!)
    if (this.#leaving.length >= together) this.#older.push(this.#leaving.splice(0).reduce(joined))
    while (this.#older.length > 0 && this.#older[0]!.t <= sample.t - windowMs) this.#older.shift()
  }
}

function platformPoint(sample: HistorySample, upperMs: (bucket: number) => number): PlatformPoint {
  const sum = [...sample.functions.values()].reduce(addCounts, zeroCounts())
  return {
    ...pointOf(sum, sample, upperMs),
    storeOpsPerSecond: sample.storeSpanMs > 0 ? sample.storeOps / (sample.storeSpanMs / 1000) : null,
    relayLagEvents: sample.relayLagEvents,
    relayLagSeconds: sample.relayLagSeconds,
    triggerLagEvents: sample.triggerLagEvents,
  }
}

/** Sums the counts of both; everything else is taken from the later one. */
function joined(earlier: HistorySample, later: HistorySample): HistorySample {
  const functions = new Map(later.functions)
  for (const [name, before] of earlier.functions) {
    const after = functions.get(name) ?? { ...zeroCounts(), dead: before.dead }
    const { calls, errors, durations, coldStarts } = addCounts(before, after)
    functions.set(name, { ...after, calls, errors, durations, coldStarts })
  }
  return {
    ...later,
    functions,
    callsSpanMs: earlier.callsSpanMs + later.callsSpanMs,
    storeOps: earlier.storeOps + later.storeOps,
    storeSpanMs: earlier.storeSpanMs + later.storeSpanMs,
  }
}

function addCounts(a: FunctionSample, b: FunctionSample): FunctionSample {
  const durations = new Map(a.durations)
  for (const [bucket, calls] of b.durations) durations.set(bucket, (durations.get(bucket) ?? 0) + calls)
  return {
    calls: a.calls + b.calls,
    errors: a.errors + b.errors,
    durations,
    inflight: a.inflight + b.inflight,
    instances: a.instances + b.instances,
    frozen: a.frozen + b.frozen,
    desired: a.desired + b.desired,
    coldStarts: a.coldStarts + b.coldStarts,
    queueDepth: a.queueDepth + b.queueDepth,
    dead: a.dead + b.dead,
  }
}

/** A count smaller than before has restarted at zero. */
function grown(now = 0, before = 0): number {
  return now >= before ? now - before : now
}

function grownEach(now: readonly number[] = [], before: readonly number[] = []): Map<number, number> {
  const counts = now.map((count, bucket) => [bucket, grown(count, before[bucket])] as const)
  return new Map(counts.filter(([, count]) => count > 0))
}
