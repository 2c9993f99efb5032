/** The variables an instance is given. Ours come last, so a user's `env` can not fake them. */
import { ENV } from '@ryo-faas/runtime/protocol'
import type { TracingSettings } from '@ryo-faas/runtime/telemetry'
import type { VersionRecord } from '../state/index.ts'

export interface Surroundings {
  proxyUrl: string
  storeUrl?: string
  /** Of the collector, as functions reach it, and what is to be recorded; absent: nothing. */
  traces?: TracingSettings | undefined
}

export function instanceEnvironment(
  name: string,
  version: VersionRecord,
  instance: { id: string; debugPort?: number | undefined } & Surroundings,
): Record<string, string> {
  const { config } = version
  return {
    ...config.env,
    [ENV.name]: name,
    [ENV.version]: String(version.version),
    [ENV.instance]: instance.id,
    // Whoever stands at a breakpoint takes his time.
    [ENV.timeoutMs]: String(instance.debugPort === undefined ? config.timeoutMs : 0),
    [ENV.concurrency]: String(config.concurrency),
    [ENV.bodyLimitBytes]: String(Math.round((config.bodyLimitMb ?? 0) * 1024 * 1024)),
    [ENV.proxyUrl]: instance.proxyUrl,
    ...(instance.storeUrl !== undefined && { [ENV.storeUrl]: instance.storeUrl }),
    ...(instance.traces !== undefined && tracingVariables(instance.traces)),
  }
}

function tracingVariables({ url, ...sampling }: TracingSettings): Record<string, string> {
  return { [ENV.tracesUrl]: url, [ENV.traceSampling]: JSON.stringify(sampling) }
}
