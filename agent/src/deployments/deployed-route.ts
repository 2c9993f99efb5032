/** The route of a deployment. */
import { FUNCTIONS_PREFIX, routeOf } from '@ryo-faas/runtime/protocol'
import { AsyncPolicy, type DeployEntry } from '../contract/index.ts'
import type { Instance } from '../engines/index.ts'
import type { Route } from '../routes/index.ts'
import { activeVersion, type DeploymentRecord } from './state/index.ts'
import { bodyLimitBytesOf } from './environment.ts'
import { triggersOf } from './subscriptions.ts'

/** Calls paused in a debugger must not time out. */
const DEBUG_TIMEOUT_MS = 86_400_000

export function deployedRoute(record: DeploymentRecord, ready: Instance[]): Route {
  const version = activeVersion(record)
  const { config, served } = version
  const policy = AsyncPolicy.parse(typeof config.async === 'object' ? config.async : {})
  const bodyLimitBytes = bodyLimitBytesOf(config)
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
    ...(isAsync && { async: policy }),
    ...(config.route !== undefined && { pattern: config.route }),
    ...(config.methods !== undefined && { methods: config.methods }),
    ...(served && { paths: { http: served.http, async: served.async } }),
    instances: ready.flatMap(({ id, state }) => (state.kind === 'running' ? [{ id, ...state.address }] : [])),
    policy,
    triggers: triggersOf(record, version),
  }
}

/** Where users find it: the path that it names, if it does; it is below `/functions/` in any case. */
export function pathOf({ name, route }: Pick<DeployEntry, 'name' | 'route'>): string {
  return route ?? FUNCTIONS_PREFIX + routeOf(name)
}
