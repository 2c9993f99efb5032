/**
 * The agent's own spans: where a deploy spent its time. It uses OpenTelemetry's SDK for traces. Other parts and functions
 * do not, because it costs a process memory and time to boot (`bench/telemetry`); the agent is not in the path of calls,
 * and loads it when it is idle.
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

async function load(collector: Pick<TracingSettings, 'url' | 'token'>, signal: AbortSignal) {
  await delay(LOAD_AFTER_MS, undefined, { signal, ref: false })
  const { registerProvider } = await import('./agent-spans.ts')
  signal.throwIfAborted()
  return registerProvider(collector)
}
