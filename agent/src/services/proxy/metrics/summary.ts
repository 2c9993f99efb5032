/** Summary of a function: calls, errors, percentiles; added up over workers. */
import { z } from 'zod'
import { fineBucketUpperMs, type FunctionFigures } from './function-metrics.ts'

export const FunctionStats = z.object({
  /** Route. */
  name: z.string(),
  calls: z.int(),
  /** Calls that the platform or the function failed (5xx, timeouts, refusals); clients that left do not count. */
  errors: z.int(),
  inflight: z.int(),
  /** Upper bounds that are at most 9 % too high; null before the first call. */
  p50Ms: z.number().nullable(),
  p95Ms: z.number().nullable(),
  p99Ms: z.number().nullable(),
  /** ISO time. */
  lastErrorAt: z.string().nullable(),
})
export type FunctionStats = z.infer<typeof FunctionStats>

export const ProxyStats = z.object({ generation: z.int(), workers: z.int(), functions: z.array(FunctionStats) })
export type ProxyStats = z.infer<typeof ProxyStats>

/** What `GET /figures` answers: counts since the start of the proxy, for rates and percentiles of clients. */
export const FunctionCounts = z.object({
  displayName: z.string(),
  inflight: z.int(),
  /** Calls by outcome. */
  outcomes: z.array(z.number()),
  /** Calls by duration: see `fineBucketUpperMs`. */
  fine: z.array(z.number()),
  /** Failed calls by code. */
  errors: z.record(z.string(), z.number()),
})
export type FunctionCounts = z.infer<typeof FunctionCounts>

/** @param perWorker the snapshots of every worker. */
export function summarize(perWorker: FunctionFigures[][]): FunctionStats[] {
  return addUp(perWorker).map(statsOf)
}

/** @param perWorker the snapshots of every worker, by trigger too. */
export function addUp(perWorker: FunctionFigures[][]): FunctionFigures[] {
  const byName = new Map<string, FunctionFigures>()
  for (const snapshot of perWorker.flat()) {
    const sum = byName.get(snapshot.name)
    byName.set(snapshot.name, sum === undefined ? snapshot : added(sum, snapshot))
  }
  return [...byName.values()]
}

function added(a: FunctionFigures, b: FunctionFigures): FunctionFigures {
  const errors = { ...a.errors }
  for (const [code, count] of Object.entries(b.errors)) errors[code] = (errors[code] ?? 0) + count
  return {
    ...a,
    errors,
    inflight: a.inflight + b.inflight,
    outcomes: a.outcomes.map((n, i) => n + b.outcomes[i]!),
    coarse: a.coarse.map((n, i) => n + b.coarse[i]!),
    fine: a.fine.map((n, i) => n + b.fine[i]!),
    sumSeconds: a.sumSeconds + b.sumSeconds,
    timeouts: a.timeouts + b.timeouts,
    lastErrorAt: Math.max(a.lastErrorAt, b.lastErrorAt),
  }
}

function statsOf(snapshot: FunctionFigures): FunctionStats {
  const { errors, fine, lastErrorAt } = snapshot
  return {
    name: snapshot.name,
    calls: snapshot.outcomes.reduce((sum, n) => sum + n, 0),
    errors: failuresOf(errors),
    inflight: snapshot.inflight,
    p50Ms: percentile(fine, 0.5),
    p95Ms: percentile(fine, 0.95),
    p99Ms: percentile(fine, 0.99),
    lastErrorAt: lastErrorAt === 0 ? null : new Date(lastErrorAt).toISOString(),
  }
}

/** Clients that left are not a failure. */
export function failuresOf(errors: Record<string, number>): number {
  return Object.entries(errors).reduce((sum, [code, n]) => (code === 'CLIENT_ABORTED' ? sum : sum + n), 0)
}

function percentile(buckets: number[], share: number): number | null {
  const total = buckets.reduce((sum, n) => sum + n, 0)
  if (total === 0) return null
  let seen = 0
  const index = buckets.findIndex(n => (seen += n) >= total * share)
  return Math.round(fineBucketUpperMs(index) * 1000) / 1000
}
