/** Tracing settings of every part of the platform, and its tracing metrics. */
import type { Tracing, TracingSettings } from '@ryo-faas/runtime/telemetry'
import { Registry, type Metric } from 'prom-client'
import { z } from 'zod'

export const TracingInput: z.ZodType<TracingSettings> = z.strictObject({
  url: z.url(),
  token: z.string().optional(),
  perSecond: z.number().min(0),
  ratio: z.number().min(0).max(1),
  slowMs: z.number().min(0),
})

/** How many spans the part has sent to the collector, and how many it dropped. */
export function addTracingMetrics(registry: Registry, { figures }: Pick<Tracing, 'figures'>): void {
  const isOpenMetrics = (registry.contentType as string) === Registry.OPENMETRICS_CONTENT_TYPE
  const add = (name: string, help: string, value: () => number) => {
    // OpenMetrics names a counter's family without the suffix.
    const family = isOpenMetrics ? name : `${name}_total`
    const get = async () => ({
      ...{ name: family, help, type: 'counter', aggregator: 'sum' },
      values: [{ value: value(), labels: {} }],
    })
    // prom-client needs only a name and `get()` of a metric, but its type names the concrete classes.
    registry.registerMetric({ name: family, get } as unknown as Metric)
  }
  add('faas_spans_sent', 'Spans that the collector accepted.', () => figures.sent)
  add(
    'faas_spans_dropped',
    'Spans that the collector did not accept, or that exceeded the queue.',
    () => figures.dropped,
  )
}
