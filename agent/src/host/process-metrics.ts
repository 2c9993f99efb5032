import { collectDefaultMetrics, type Registry } from 'prom-client'

/** Gauges named like counters. The same numbers exist by type, without `_total`. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

/** Metrics of every process: memory, CPU, event loop, garbage collection. */
export function addProcessMetrics(register: Registry): void {
  collectDefaultMetrics({ register })
  for (const name of MISNAMED) register.removeSingleMetric(name)
}
