/** The route of a deployment. */
import { FUNCTIONS_PREFIX, routeOf } from '@ryo-faas/runtime/protocol'
import { AsyncPolicy, patternOf, rateLimitOf, type AccessRule, type DeployEntry } from '../contract/index.ts'
import type { Instance } from '../engines/index.ts'
import type { Access, Route } from '../routes/index.ts'
import { activeVersion, type DeploymentRecord } from './state/index.ts'
import { bodyLimitBytesOf } from './environment.ts'
import { isElastic, scaleOf } from './scaling/index.ts'
import { triggersOf } from './subscriptions.ts'

/** Calls paused in a debugger must not time out. */
const DEBUG_TIMEOUT_MS = 86_400_000

export interface Serving {
  ready: Instance[]
  frozen: Instance[]
  /** Why no instance could be woken. */
  unavailable?: string | undefined
  /** Instances have keys. */
  isExposed: boolean
}

export function deployedRoute(record: DeploymentRecord, { ready, frozen, unavailable, isExposed }: Serving): Route {
  const version = activeVersion(record)
  const { config, served } = version
  const policy = AsyncPolicy.parse(typeof config.async === 'object' ? config.async : {})
  const pattern = patternOf(config)
  const bodyLimitBytes = bodyLimitBytesOf(config)
  const scale = scaleOf(record, config)
  const isAsync = served === undefined ? config.async !== false : served.async.length > 0
  return {
    name: record.route,
    displayName: record.name,
    version: version.version,
    timeoutMs: record.debugPort === undefined ? config.timeoutMs : DEBUG_TIMEOUT_MS,
    concurrency: config.concurrency,
    ...(bodyLimitBytes > 0 && { bodyLimitBytes }),
    // Built by an earlier release: it does not identify itself.
    ...(version.protocol < 2 && { isAnonymous: true }),
    ...(isExposed && version.protocol >= 2 && { isGuarded: true }),
    ...(isAsync && { async: policy }),
    ...(pattern !== undefined && { pattern }),
    ...(config.access !== undefined && { access: accessOf(config.access) }),
    ...(config.cors !== undefined && { cors: config.cors }),
    ...(config.rate !== undefined && { rate: rateLimitOf(config.rate) }),
    ...(config.domains !== undefined && { domains: config.domains }),
    ...(config.methods !== undefined && { methods: config.methods }),
    ...(served && { paths: { http: served.http, async: served.async } }),
    instances: [
      ...ready.flatMap(instance => placeOf(instance)),
      ...frozen.flatMap(instance => placeOf(instance).map(place => ({ ...place, isFrozen: true as const }))),
    ],
    ...(isElastic(scale) && { scale: { max: scale.max } }),
    ...(unavailable !== undefined && { unavailable }),
    policy,
    triggers: triggersOf(record, version),
  }
}

function accessOf(rule: AccessRule): Access {
  return typeof rule === 'string' ? { kind: rule } : { kind: 'jwt', ...rule.jwt }
}

/** Name of the secret with which the tokens of its callers are signed: none or one. */
export function signingSecret({ access }: Pick<DeployEntry, 'access'>): string[] {
  const secret = typeof access === 'object' ? access.jwt.secret : undefined
  return secret === undefined ? [] : [secret]
}

function placeOf({ id, state }: Instance): { id: string; host: string; port: number }[] {
  return state.kind === 'exited' ? [] : [{ id, ...state.address }]
}

/** Where users find it: the path that it names, if it does at every host; it is below `/functions/` in any case. */
export function pathOf({ name, route, domains }: Pick<DeployEntry, 'name' | 'route' | 'domains'>): string {
  return domains === undefined && route !== undefined ? route : FUNCTIONS_PREFIX + routeOf(name)
}
