/** What every part of the platform is told of tracing, and tells of it. */
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

/** What the part has sent to the collector, and what it could not keep for it. */
export function addTracingMetrics(registry: Registry, { figures }: Pick<Tracing, 'figures'>): void {
  const isOpenMetrics = (registry.contentType as string) === Registry.OPENMETRICS_CONTENT_TYPE
  const add = (name: string, help: string, value: () => number) => {
    // A counter's family has no suffix there.
    const family = isOpenMetrics ? name : `${name}_total`
    const get = async () => ({
      ...{ name: family, help, type: 'counter', aggregator: 'sum' },
      values: [{ value: value(), labels: {} }],
    })
    // prom-client asks of a metric no more than a name and `get()`, but its type names the concrete classes.
    registry.registerMetric({ name: family, get } as unknown as Metric)
  }
  add('faas_spans_sent', 'Spans that the collector has taken.', () => figures.sent)
  add(
    'faas_spans_dropped',
    'Spans that the collector did not take, or for which there was no room.',
    () => figures.dropped,
  )
}
