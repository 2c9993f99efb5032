/**
 * OpenTelemetry's SDK as far as the agent needs it: traces. The rest of the package (exporters over gRPC, metrics, logs) is
 * four times as much, and is left out of the bundles. A module of its own, because it is loaded when the agent is idle.
 */
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { node, resources, tracing } from '@opentelemetry/sdk-node'
import type { TracingSettings } from '@ryo-faas/runtime/telemetry'

/** From here on spans of `@opentelemetry/api` in this process go to the collector. */
export function registerProvider({ url, token }: Pick<TracingSettings, 'url' | 'token'>): node.NodeTracerProvider {
  const exporter = new OTLPTraceExporter({
    url: `${url}/v1/traces`,
    headers: { authorization: `Bearer ${token}` },
  })
  const provider = new node.NodeTracerProvider({
    resource: resources.resourceFromAttributes({ 'service.name': 'ryo-faas-agent' }),
    spanProcessors: [new tracing.BatchSpanProcessor(exporter)],
  })
  provider.register()
  return provider
}
