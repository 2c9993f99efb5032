/**
 * OpenTelemetry's SDK as far as the agent needs it: `@opentelemetry/sdk-node` also loads exporters over gRPC, metrics and
 * logs, which is four times as much. A module of its own, because it is loaded when the agent is idle.
 */
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import type { TracingSettings } from '@ryo-faas/runtime/telemetry'

/** From here on spans of `@opentelemetry/api` in this process go to the collector. */
export function registerProvider({ url, token }: Pick<TracingSettings, 'url' | 'token'>): NodeTracerProvider {
  const exporter = new OTLPTraceExporter({
    url: `${url}/v1/traces`,
    headers: { authorization: `Bearer ${token}` },
  })
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'ryo-faas-agent' }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  })
  provider.register()
  return provider
}
