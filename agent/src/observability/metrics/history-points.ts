/** Converts samples to what is shown: rates and percentiles. */
import type { FunctionPoint } from '../../contract/index.ts'
import type { FunctionSample, HistorySample } from './history-sample.ts'

export function pointOf(
  counts: FunctionSample,
  { t, callsSpanMs }: HistorySample,
  upperMs: (bucket: number) => number,
): FunctionPoint {
  const { durations, inflight, instances, frozen, desired, coldStarts, queueDepth, dead } = counts
  const perSecond = (count: number) => (callsSpanMs > 0 ? Math.round((count / callsSpanMs) * 1e6) / 1e3 : 0)
  const percentile = (share: number) => {
    const bucket = percentileOf(durations, share)
    return bucket === undefined ? null : Math.round(upperMs(bucket) * 1000) / 1000
  }
  return {
    t,
    callsPerSecond: perSecond(counts.calls),
    errorsPerSecond: perSecond(counts.errors),
    ...{ p50: percentile(0.5), p95: percentile(0.95), p99: percentile(0.99) },
    ...{ inflight, instances, frozen, desired, coldStarts, queueDepth, dead },
  }
}

/** The bucket in which this share of the calls is reached; `undefined` if there were none. */
export function percentileOf(durations: ReadonlyMap<number, number>, share: number): number | undefined {
  const buckets = [...durations].sort(([a], [b]) => a - b)
  const total = buckets.reduce((sum, [, calls]) => sum + calls, 0)
  let seen = 0
  return buckets.find(([, calls]) => (seen += calls) >= total * share)?.[0]
}
