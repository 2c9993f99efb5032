import { collectDefaultMetrics, type Registry } from 'prom-client'

/** Gauges whose names say that they are counters. What they sum up stands without `_total`, by type. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

/** What every process shows of itself: memory, CPU, event loop, garbage collection. */
export function addProcessMetrics(register: Registry): void {
  collectDefaultMetrics({ register })
  for (const name of MISNAMED) register.removeSingleMetric(name)
}
