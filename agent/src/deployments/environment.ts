/** The variables an instance is given. Ours come last and win over secrets, so users cannot fake them. */
import { ENV, routeOf } from '@ryo-faas/runtime/protocol'
import type { TracingSettings } from '@ryo-faas/runtime/telemetry'
import type { FunctionClaims } from '../access/index.ts'
import type { VersionRecord } from './state/index.ts'

export interface Surroundings {
  proxyUrl: string
  storeUrl?: string
  /** Identifies a deployment to the store and the collector. */
  tokenOf: (claims: FunctionClaims) => string
  /** Identifies the platform to a deployment. */
  deliveryTokenOf: (route: string) => string
  /** Present: connections to instances show it. */
  instanceKeyOf?: ((id: string) => string) | undefined
  /** Instances are given that key, and answer only who shows it. */
  isExposed?: boolean
  /** The collector's address for functions, and what to record; absent: nothing. */
  traces?: TracingSettings | undefined
  /** Of authorities that functions trust in addition to the public ones, as PEM. */
  certificates?: string | undefined
}

export function instanceEnvironment(
  name: string,
  version: VersionRecord,
  instance: { id: string; debugPort?: number | undefined } & Surroundings,
): Record<string, string> {
  const { config } = version
  return {
    ...(config.secrets.includes('NODE_ENV') ? {} : { NODE_ENV: 'production' }),
    ...Object.fromEntries(Object.entries(config.env).filter(([variable]) => !config.secrets.includes(variable))),
    [ENV.name]: name,
    [ENV.version]: String(version.version),
    [ENV.instance]: instance.id,
    // Calls paused in a debugger must not time out.
    [ENV.timeoutMs]: String(instance.debugPort === undefined ? config.timeoutMs : 0),
    [ENV.concurrency]: String(config.concurrency),
    [ENV.bodyLimitBytes]: String(bodyLimitBytesOf(config)),
    [ENV.proxyUrl]: instance.proxyUrl,
    ...(instance.storeUrl !== undefined && { [ENV.storeUrl]: instance.storeUrl }),
    [ENV.token]: instance.tokenOf(claimsOf(name, config.store)),
    [ENV.deliveryToken]: instance.deliveryTokenOf(routeOf(name)),
    ...(instance.isExposed === true &&
      instance.instanceKeyOf !== undefined && { [ENV.instanceKey]: instance.instanceKeyOf(instance.id) }),
    ...(instance.traces !== undefined && tracingVariables(instance.traces)),
  }
}

/** Every table without `store` in deploy.json; otherwise those it names. */
function claimsOf(name: string, store: VersionRecord['config']['store']): FunctionClaims {
  return { route: routeOf(name), ...(store && { read: store.read, write: store.write }) }
}

/** 0: no limit. */
export function bodyLimitBytesOf({ bodyLimitMb }: VersionRecord['config']): number {
  return Math.round(bodyLimitMb * 1024 * 1024)
}

function tracingVariables({ url, perSecond, ratio, slowMs }: TracingSettings): Record<string, string> {
  return { [ENV.tracesUrl]: url, [ENV.traceSampling]: JSON.stringify({ perSecond, ratio, slowMs }) }
}
