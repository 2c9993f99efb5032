/** One reading of the platform: what all parts report at one moment. */
import { parseExposition, type Family, type Sample } from './exposition.ts'

/** Counts since the start of the proxy. */
export interface CallCounts {
  calls: number
  errors: number
  /** By duration bucket. */
  durations: readonly number[]
  inflight: number
}

/** A part that did not respond leaves its fields absent. */
export interface Reading {
  /** Ready instances by function; contains every function. */
  instances: Map<string, number>
  /** By function, those that calls waited for, since the start of the agent. */
  coldStarts?: ReadonlyMap<string, number>
  /** By function, how many instances sleep, and how many are to be ready. */
  asleep?: Map<string, { frozen: number; desired: number }>
  counts?: Map<string, CallCounts>
  queueDepth?: Map<string, number>
  dead?: Map<string, number>
  triggerLagEvents?: number
  /** Since the start of the store. */
  storeOps?: number
  relayLagEvents?: number
  relayLagSeconds?: number
}

/** @param pages of the dispatchers that responded */
export function readDispatchers(pages: readonly string[]): Pick<Reading, 'queueDepth' | 'dead' | 'triggerLagEvents'> {
  if (pages.length === 0) return {}
  const parsed = pages.map(parseExposition)
  const byName = (name: string, add: (a: number, b: number) => number) => {
    const found = new Map<string, number>()
    for (const sample of parsed.flatMap(page => page.get(name)?.samples ?? [])) {
      const of = sample.labels['faas_name'] ?? ''
      found.set(of, add(found.get(of) ?? 0, Number(sample.value)))
    }
    return found
  }
  return {
    // All dispatchers report the same queue, but each counts only its own dead letters.
    queueDepth: byName('faas_async_queue_depth', Math.max),
    dead: byName('faas_async_dead_total', (a, b) => a + b),
    triggerLagEvents: sum(parsed.map(page => page.get('faas_trigger_lag_events'))),
  }
}

/** @param page `undefined` if the store did not respond */
export function readStore(page: string | undefined): Pick<Reading, 'storeOps' | 'relayLagEvents' | 'relayLagSeconds'> {
  if (page === undefined) return {}
  const families = parseExposition(page)
  return {
    storeOps: sum([families.get('store_operations_total')]),
    relayLagEvents: sum([families.get('store_relay_lag_events')]),
    relayLagSeconds: sum([families.get('store_relay_lag_seconds')]),
  }
}

function sum(families: readonly (Family | undefined)[]): number {
  const samples: Sample[] = families.flatMap(family => family?.samples ?? [])
  return samples.reduce((total, { value }) => total + (Number.isFinite(Number(value)) ? Number(value) : 0), 0)
}
