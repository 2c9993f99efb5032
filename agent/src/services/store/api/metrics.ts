/** The store's metrics for Prometheus. Read at scrape; there are few names and labels, whatever the tables. */
import { Counter, Gauge, Registry, type Metric } from 'prom-client'
import { addProcessMetrics } from '../../../host/index.ts'
import type { DocumentStore } from '../documents/index.ts'
import type { RelayFigures } from '../relay/index.ts'
import { DURATION_BUCKETS, OUTCOMES, type OperationFigures, type OperationMetrics } from './operation-metrics.ts'

export interface MetricsParts {
  operations: OperationMetrics
  store: DocumentStore
  /** Absent if events are not relayed. */
  relay: (() => Promise<RelayFigures>) | undefined
}

interface Sample {
  value: number
  labels: Record<string, string | number>
  metricName?: string
}

const DURATION = 'store_operation_duration_seconds'

export function createRegistry({ operations, store, relay }: MetricsParts): Registry {
  const registry = new Registry()
  addProcessMetrics(registry)
  const add = (
    about: { name: string; type: 'counter' | 'histogram'; help: string },
    samples: (figures: OperationFigures) => Sample[],
  ) => {
    const metric = {
      ...about,
      get: async () => ({ ...about, aggregator: 'sum', values: operations.figures().flatMap(samples) }),
    }
    // prom-client needs only a name and `get()` of a metric, but its type names the concrete classes.
    registry.registerMetric(metric as unknown as Metric)
  }
  add({ name: 'store_operations_total', type: 'counter', help: 'Requests that ended.' }, outcomeSamples)
  add(
    {
      name: DURATION,
      type: 'histogram',
      help: 'Time from a request until its response is sent; if it streams, until its end.',
    },
    durationSamples,
  )
  const gauge = (name: string, help: string, value: () => Promise<number>) =>
    new Gauge({
      ...{ name, help, registers: [registry] },
      async collect() {
        this.set(await value())
      },
    })
  gauge('store_tables', 'Tables.', async () => (await store.tables()).length)
  gauge('store_documents', 'Documents in all tables.', async () =>
    (await store.tables()).reduce((sum, { documents }) => sum + documents, 0),
  )
  new Counter({
    name: 'store_events_total',
    help: 'Events ever written to the log.',
    registers: [registry],
    async collect() {
      const { last } = await store.logBounds()
      this.reset()
      this.inc(last)
    },
  })
  if (relay === undefined) return registry
  gauge(
    'store_relay_lag_events',
    'Events in the log that are not in the stream yet.',
    async () => (await relay()).lagEvents,
  )
  gauge(
    'store_relay_lag_seconds',
    'Age of the first event that is not in the stream yet.',
    async () => (await relay()).lagSeconds,
  )
  gauge('store_relay_running', '1 if events are relayed to the stream; 0 if it is unavailable or full.', async () =>
    (await relay()).state === 'running' ? 1 : 0,
  )
  return registry
}

function outcomeSamples({ operation, outcomes }: OperationFigures): Sample[] {
  return OUTCOMES.map((outcome, at) => ({ value: outcomes[at]!, labels: { operation, outcome } })).filter(
    ({ value }) => value > 0,
  )
}

function durationSamples({ operation, buckets, sumSeconds }: OperationFigures): Sample[] {
  let count = 0
  const cumulative = buckets.map((inBucket, at) => ({
    value: (count += inBucket),
    labels: { operation, le: DURATION_BUCKETS[at] ?? '+Inf' },
    metricName: `${DURATION}_bucket`,
  }))
  if (count === 0) return []
  return [
    ...cumulative,
    { value: sumSeconds, labels: { operation }, metricName: `${DURATION}_sum` },
    { value: count, labels: { operation }, metricName: `${DURATION}_count` },
  ]
}
