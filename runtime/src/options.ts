/** How an instance is configured: read once at start, complete and valid afterwards. */
import { ENV, FUNCTION_PORT } from './protocol/index.ts'
import type { TracingSettings } from './telemetry/index.ts'

export interface InstanceOptions {
  readonly name: string
  readonly version: number
  readonly instance: string
  readonly host: string
  readonly port: number
  readonly readyFile: string | undefined
  readonly proxyUrl: string | undefined
  readonly storeUrl: string | undefined
  /** Token of this deployment for store and collector. */
  readonly token: string | undefined
  /** Token that proves that a request comes from the platform. */
  readonly deliveryToken: string | undefined
  /** Without which a connection is answered nothing; undefined: all are answered. */
  readonly instanceKey: string | undefined
  readonly traces: TracingSettings | undefined
  /** Maximum duration of one invocation; 0 means no limit. */
  readonly timeoutMs: number
  /** Maximum number of concurrent invocations; 0 means no limit. */
  readonly concurrency: number
  /** Largest request body; 0 means no limit. */
  readonly bodyLimitBytes: number
  /** How long a drain waits for invocations in flight before it aborts them. */
  readonly drainMs: number
}

/** Throws an error that names the variable if one is invalid. */
export function instanceOptions(name: string, env: Readonly<Record<string, string | undefined>>): InstanceOptions {
  const whole = (variable: string, fallback: number, most = Number.MAX_SAFE_INTEGER): number => {
    const text = env[variable]
    if (text === undefined || text === '') return fallback
    const value = Number(text)
    if (/^\d+$/.test(text) && value <= most) return value
    throw new Error(`${variable} is '${text}' but must be a whole number from 0 to ${most}`)
  }
  return {
    name: env[ENV.name] || name,
    version: whole(ENV.version, 0),
    instance: env[ENV.instance] || 'local',
    host: env[ENV.host] || '0.0.0.0',
    port: whole(ENV.port, FUNCTION_PORT, 65_535),
    readyFile: env[ENV.readyFile] || undefined,
    proxyUrl: env[ENV.proxyUrl] || undefined,
    storeUrl: env[ENV.storeUrl] || undefined,
    token: env[ENV.token] || undefined,
    deliveryToken: env[ENV.deliveryToken] || undefined,
    instanceKey: env[ENV.instanceKey] || undefined,
    traces: tracingSettings(env),
    timeoutMs: whole(ENV.timeoutMs, 0),
    concurrency: whole(ENV.concurrency, 0),
    bodyLimitBytes: whole(ENV.bodyLimitBytes, 0),
    drainMs: whole(ENV.drainMs, 10_000),
  }
}

/** For traces that start here: as many as for calls through the proxy. */
const DEFAULT_SAMPLING = { perSecond: 50, ratio: 0.001, slowMs: 1_000 }

function tracingSettings(env: Readonly<Record<string, string | undefined>>): TracingSettings | undefined {
  const { [ENV.tracesUrl]: url, [ENV.traceSampling]: sampling, [ENV.token]: token } = env
  if (url === undefined || url === '') return undefined
  if (!URL.canParse(url)) throw new Error(`${ENV.tracesUrl} is '${url}' but must be a URL`)
  try {
    return { url, ...(token && { token }), ...DEFAULT_SAMPLING, ...(JSON.parse(sampling || '{}') as object) }
  } catch {
    throw new Error(`${ENV.traceSampling} is '${sampling}' but must be JSON`)
  }
}
