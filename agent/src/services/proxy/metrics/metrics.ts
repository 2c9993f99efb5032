/**
 * Exposes the hop's own metrics through a prom-client registry: read at scrape, never touched per request.
 *
 * Invariant: the values of `faas_name` are the names of known deployments, so a scan of random names adds no series.
 */
import { Registry, type Metric, type OpenMetricsContentType } from 'prom-client'
import { addProcessMetrics } from '../../../host/index.ts'
import { DURATION_BUCKETS, OUTCOMES, type Exemplar, type FunctionSnapshot } from './function-metrics.ts'

type Labels = Record<string, string | number>
interface About {
  type: 'counter' | 'gauge' | 'histogram'
  help: string
}
interface Sample {
  value: number
  labels: Labels
  metricName?: string
  exemplar?: { labelSet: Labels; value: number; timestamp: number }
}

/** Events of `POST /events` that were stored, and those that had come before. */
export interface EventCounts {
  accepted: number
  duplicates: number
}

export interface ProxyFigures {
  functions(): FunctionSnapshot[]
  events: Readonly<EventCounts>
}

/** @param format OpenMetrics shows exemplars too */
export function createRegistry(
  { functions, events }: ProxyFigures,
  format: 'prometheus' | 'openmetrics' = 'prometheus',
): Registry {
  const registry = new Registry()
  const isOpenMetrics = format === 'openmetrics'
  addProcessMetrics(registry)
  // The type does not allow the other format, but the class does.
  if (isOpenMetrics)
    (registry as unknown as Registry<OpenMetricsContentType>).setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  const expose = (name: string, about: About, samples: () => Sample[]) => {
    // A counter's family has the name without the suffix there, which prom-client puts on its samples.
    const family = isOpenMetrics && about.type === 'counter' ? name.replace(/_total$/, '') : name
    const metric = {
      name: family,
      get: async () => ({ name: family, ...about, aggregator: 'sum', values: samples() }),
    }
    // prom-client needs only a name and `get()` of a metric, but its type names the concrete classes.
    registry.registerMetric(metric as unknown as Metric)
  }
  const add = (name: string, about: About, samples: (f: FunctionSnapshot) => Sample[]) => {
    // The dispatcher exposes its own calls.
    const called = () => functions().filter(({ trigger }) => trigger === 'http')
    expose(name, about, () => called().flatMap(samples))
  }
  add('faas_invocations_total', { type: 'counter', help: 'Invocations that ended.' }, fn =>
    OUTCOMES.map((outcome, i) => ({
      value: fn.outcomes[i]!,
      labels: { ...labelsOf(fn), http_response_status_class: outcome },
    })).filter(sample => sample.value > 0),
  )
  add(
    'faas_invoke_duration_seconds',
    { type: 'histogram', help: 'Time from request to the end of the answer.' },
    durations,
  )
  add('faas_errors_total', { type: 'counter', help: 'Invocations that failed, by error code.' }, fn =>
    Object.entries(fn.errors).map(([code, value]) => ({ value, labels: { ...labelsOf(fn), error_code: code } })),
  )
  add('faas_timeouts_total', { type: 'counter', help: 'Invocations that ran over their limit.' }, fn => [
    { value: fn.timeouts, labels: labelsOf(fn) },
  ])
  add('faas_inflight_invocations', { type: 'gauge', help: 'Invocations in progress.' }, fn => [
    { value: fn.inflight, labels: labelsOf(fn) },
  ])
  expose('faas_events_received_total', { type: 'counter', help: 'Events of POST /events, by outcome.' }, () => [
    { value: events.accepted, labels: { outcome: 'accepted' } },
    { value: events.duplicates, labels: { outcome: 'duplicate' } },
  ])
  return registry
}

function labelsOf(fn: FunctionSnapshot): Labels {
  return { faas_name: fn.displayName, faas_trigger: 'http' }
}

function durations(fn: FunctionSnapshot): Sample[] {
  const labels = labelsOf(fn)
  const metricName = 'faas_invoke_duration_seconds'
  let count = 0
  const buckets = fn.coarse.map((inBucket, i) => ({
    value: (count += inBucket),
    labels: { ...labels, le: DURATION_BUCKETS[i] ?? '+Inf' },
    metricName: `${metricName}_bucket`,
    ...exemplarOf(fn.exemplars[i] ?? null),
  }))
  return [
    ...buckets,
    { value: fn.sumSeconds, labels, metricName: `${metricName}_sum` },
    { value: count, labels, metricName: `${metricName}_count` },
  ]
}

function exemplarOf(exemplar: Exemplar | null): Pick<Sample, 'exemplar'> {
  if (exemplar === null) return {}
  const { traceId, seconds, at } = exemplar
  return { exemplar: { labelSet: { trace_id: traceId }, value: seconds, timestamp: at / 1000 } }
}
