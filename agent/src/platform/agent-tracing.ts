/**
 * The agent's own spans: what a deploy spent its time on. With OpenTelemetry's SDK, which the other parts and functions
 * do without, for it costs a process some 35 MB and a third of a second (`bench/telemetry`): the agent is in nobody's way,
 * and loads it when it has nothing else to do.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { TracingSettings } from '@ryo-faas/runtime/telemetry'

export interface AgentTracing {
  close(): Promise<void>
}

/** So long after the start the first deploy is usually over, or not asked for. */
const LOAD_AFTER_MS = 3_000

/** @param collector its base URL, and what it knows us by */
export function startAgentTracing(collector: Pick<TracingSettings, 'url' | 'token'>): AgentTracing {
  const stop = new AbortController()
  const started = load(collector, stop.signal).catch(() => undefined) // Told to stop before it was loaded.
  return {
    close: async () => {
      stop.abort()
      await (await started)?.shutdown().catch(() => undefined) // Its last spans are lost; the agent ends all the same.
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
