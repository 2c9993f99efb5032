/**
 * The agent's own spans: where a deploy spent its time. It uses OpenTelemetry's SDK. Other parts and functions do not,
 * because it costs a process some 35 MB and a third of a second (`bench/telemetry`); the agent is not in the path of
 * calls, and loads it when it is idle.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { TracingSettings } from '@ryo-faas/runtime/telemetry'

export interface AgentTracing {
  close(): Promise<void>
}

/** By then the first deploy is usually over, or did not come. */
const LOAD_AFTER_MS = 3_000

/** @param collector its base URL, and our token for it */
export function startAgentTracing(collector: Pick<TracingSettings, 'url' | 'token'>): AgentTracing {
  const stop = new AbortController()
  const started = load(collector, stop.signal).catch(() => undefined) // Stopped before it was loaded.
  return {
    close: async () => {
      stop.abort()
      await (await started)?.shutdown().catch(() => undefined) // Its last spans are lost; the agent exits anyway.
    },
  }
}

async function load({ url, token }: Pick<TracingSettings, 'url' | 'token'>, signal: AbortSignal) {
  await delay(LOAD_AFTER_MS, undefined, { signal, ref: false })
  const [{ NodeSDK }, { OTLPTraceExporter }] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
  ])
  const sdk = new NodeSDK({
    serviceName: 'ryo-faas-agent',
    autoDetectResources: false,
    instrumentations: [],
    traceExporter: new OTLPTraceExporter({ url: `${url}/v1/traces`, headers: { authorization: `Bearer ${token}` } }),
  })
  signal.throwIfAborted()
  sdk.start()
  return sdk
}
