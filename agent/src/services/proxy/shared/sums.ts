/** What several proxies have counted, added up. */
import type { FunctionCounts, FunctionStats, ProxyStats } from '../metrics/summary.ts'

export function addUpCounts(perProxy: readonly FunctionCounts[][]): FunctionCounts[] {
  return summed(
    perProxy.flat(),
    ({ displayName }) => displayName,
    (a, b) => {
      const errors = { ...a.errors }
      for (const [code, count] of Object.entries(b.errors)) errors[code] = (errors[code] ?? 0) + count
      return {
        ...a,
        errors,
        inflight: a.inflight + b.inflight,
        outcomes: added(a.outcomes, b.outcomes),
        fine: added(a.fine, b.fine),
      }
    },
  )
}

/** Percentiles cannot be added: the greatest of all proxies are taken. */
export function addUpStats(perProxy: readonly [ProxyStats, ...ProxyStats[]]): ProxyStats {
  const [first] = perProxy
  const functions = summed(
    perProxy.flatMap(stats => stats.functions),
    ({ name }) => name,
    addStats,
  )
  return { ...first, workers: perProxy.reduce((sum, { workers }) => sum + workers, 0), functions }
}

/** The last one of each key. */
export function latestUses(perProxy: readonly Record<string, number>[]): Record<string, number> {
  const uses: Record<string, number> = {}
  for (const [id, at] of perProxy.flatMap(each => Object.entries(each))) uses[id] = Math.max(uses[id] ?? 0, at)
  return uses
}

function addStats(a: FunctionStats, b: FunctionStats): FunctionStats {
  return {
    ...{ name: a.name, calls: a.calls + b.calls, errors: a.errors + b.errors, inflight: a.inflight + b.inflight },
    ...{ p50Ms: greater(a.p50Ms, b.p50Ms), p95Ms: greater(a.p95Ms, b.p95Ms), p99Ms: greater(a.p99Ms, b.p99Ms) },
    // ISO times are in the order of their texts.
    lastErrorAt: greater(a.lastErrorAt, b.lastErrorAt),
  }
}

function greater<T extends number | string>(a: T | null, b: T | null): T | null {
  if (a === null || b === null) return a ?? b
  return a > b ? a : b
}

function added(a: readonly number[], b: readonly number[]): number[] {
  return a.map((n, at) => n + (b[at] ?? 0))
}

function summed<T>(all: readonly T[], keyOf: (each: T) => string, add: (a: T, b: T) => T): T[] {
  const byKey = new Map<string, T>()
  for (const each of all) {
    const known = byKey.get(keyOf(each))
    byKey.set(keyOf(each), known === undefined ? each : add(known, each))
  }
  return [...byKey.values()]
}
