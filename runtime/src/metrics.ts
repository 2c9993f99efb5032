/**
 * Counts invocations at the cost of a few additions, and turns the counts into Prometheus text on demand. The first
 * scrape loads `prom-client`: a function that is never scraped does not pay for it.
 */
import type { Metric, Registry } from 'prom-client'

/** Upper bounds in seconds: from a trivial handler to a long job. */
const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

export class InvocationCounts {
  /** Invocations whose response has ended. */
  invocations = 0
  /** Those that threw, rejected or returned something that is not a response. */
  errors = 0
  /** Those that exceeded their deadline. */
  timeouts = 0
  secondsSum = 0
  /** Observations per bucket, not cumulative; the last one is `+Inf`. */
  readonly buckets: number[] = Array.from({ length: DURATION_BUCKETS.length + 1 }, () => 0)

  observe(seconds: number): void {
    this.invocations++
    this.secondsSum += seconds
    let bucket = 0
    while (seconds > (DURATION_BUCKETS[bucket] ?? Infinity)) bucket++
    this.buckets[bucket]! += 1
  }
}

export interface MetricsSource {
  readonly name: string
  readonly counts: InvocationCounts
  inflight(): number
}

export interface MetricsPage {
  readonly contentType: string
  readonly body: string
}

/** A function that renders the page; its first call loads what it needs. */
export function metricsPage(source: MetricsSource): () => Promise<MetricsPage> {
  let registry: Promise<Registry> | undefined
  return async () => {
    const opened = await (registry ??= openRegistry(source))
    return { contentType: opened.contentType, body: await opened.metrics() }
  }
}

async function openRegistry(source: MetricsSource): Promise<Registry> {
  const { Registry, collectDefaultMetrics } = await import('prom-client')
  const registry = new Registry()
  registry.setDefaultLabels({ faas_name: source.name })
  collectDefaultMetrics({ register: registry })
  // Gauges named like counters.
  for (const what of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${what}_total`)
  for (const family of families(source)) {
    // The registry asks a metric only for its name and `get()`; a real `Histogram` could not be given existing counts.
    registry.registerMetric({ name: family.name, get: async () => family.read() } as unknown as Metric)
  }
  return registry
}

interface Family {
  readonly name: string
  read(): { name: string; help: string; type: string; values: Sample[] }
}

interface Sample {
  readonly value: number
  readonly labels: Record<string, string | number>
  readonly metricName?: string
}

function families({ name, counts, inflight }: MetricsSource): Family[] {
  const labels = { faas_name: name, faas_trigger: 'http' }
  const family = (type: string, title: string, help: string, samples: () => Sample[]): Family => ({
    name: title,
    read: () => ({ name: title, help, type, values: samples() }),
  })
  const one = (value: number): Sample[] => [{ value, labels }]

  return [
    family('counter', 'faas_invocations_total', 'Invocations that have ended.', () => one(counts.invocations)),
    family('counter', 'faas_errors_total', 'Invocations that failed with an error.', () => one(counts.errors)),
    family('counter', 'faas_timeouts_total', 'Invocations cut off at their deadline.', () => one(counts.timeouts)),
    family('counter', 'faas_coldstarts_total', 'Invocations that were the first of their instance.', () =>
      one(counts.invocations + inflight() > 0 ? 1 : 0),
    ),
    family('gauge', 'faas_inflight_invocations', 'Invocations that are currently running.', () => one(inflight())),
    family('histogram', 'faas_invoke_duration_seconds', 'Time from request to end of response.', () =>
      histogramSamples('faas_invoke_duration_seconds', counts, labels),
    ),
  ]
}

function histogramSamples(name: string, counts: InvocationCounts, labels: Record<string, string>): Sample[] {
  let seen = 0
  const buckets = counts.buckets.map((count, index) => ({
    metricName: `${name}_bucket`,
    value: (seen += count),
    labels: { le: DURATION_BUCKETS[index] ?? '+Inf', ...labels },
  }))
  return [
    ...buckets,
    { metricName: `${name}_sum`, value: counts.secondsSum, labels },
    { metricName: `${name}_count`, value: counts.invocations, labels },
  ]
}
