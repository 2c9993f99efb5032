/** The deployments as clients see them: state, engine, fleet and the proxy's counts combined. */
import type { DeploymentView, InstanceView } from '../contract/index.ts'
import type { Instance } from '../engines/index.ts'
import type { FunctionStats } from '../services/proxy/index.ts'
import { activeVersion, type DeploymentRecord } from './state/index.ts'
import type { Fleet } from './fleet.ts'
import { scaleOfRecord } from './scaling/index.ts'
import { viewTriggers } from './subscriptions.ts'

export function viewDeployment(
  record: DeploymentRecord,
  seen: { instances: Instance[]; fleet: Fleet; stats: FunctionStats | undefined; url: string; clockMs: number },
): DeploymentView {
  const { fleet, stats } = seen
  const active = activeVersion(record)
  const own = seen.instances.filter(({ route }) => route === record.route)
  const scale = scaleOfRecord(record)
  const desired = desiredOf(record, fleet)
  const lastExit = fleet.lastExit(record.route)
  return {
    name: record.name,
    route: record.route,
    kind: active.kind,
    version: record.active,
    state: stateOf(record.route, { desired, fleet }),
    url: seen.url,
    filePath: active.config.filePath,
    ...(active.config.node !== undefined && { node: active.config.node }),
    ...(active.deployFile !== undefined && { deployFile: active.deployFile }),
    ...(active.project !== undefined && { project: active.project }),
    desiredInstances: desired,
    scale: { min: scale.min, max: scale.max },
    instances: own.map(instance => viewInstance(instance, fleet)),
    versions: record.versions.map(({ version, hash, createdAt }) => ({
      version,
      hash,
      createdAt,
      active: version === record.active,
    })),
    calls: stats?.calls ?? 0,
    errors: stats?.errors ?? 0,
    p95Ms: stats?.p95Ms ?? null,
    ...(active.served && { paths: { http: active.served.http, async: active.served.async } }),
    triggers: viewTriggers(record, active, seen.clockMs),
    ...(record.debugPort !== undefined && { debugPort: record.debugPort }),
    ...(lastExit && { lastExit }),
  }
}

/** How many instances are to be ready now. */
export function desiredOf(record: DeploymentRecord, fleet: Fleet): number {
  return fleet.wanted(record.route) ?? scaleOfRecord(record).min
}

function stateOf(route: string, { desired, fleet }: { desired: number; fleet: Fleet }): DeploymentView['state'] {
  const ready = fleet.ready(route).length
  if (desired === 0 && ready === 0) return 'asleep'
  if (ready >= desired) return 'running'
  if (ready > 0) return 'degraded'
  return fleet.backoff(route).deaths > 1 ? 'failing' : 'starting'
}

function viewInstance({ id, version, startedAt, state, machine }: Instance, fleet: Fleet): InstanceView {
  return {
    id,
    version,
    state: stateOfInstance(id, { state, fleet }),
    startedAt,
    ...(state.kind !== 'exited' && { address: `${state.address.host}:${state.address.port}` }),
    ...(machine !== undefined && { machine }),
  }
}

function stateOfInstance(
  id: string,
  { state, fleet }: { state: Instance['state']; fleet: Fleet },
): InstanceView['state'] {
  if (state.kind === 'exited') return 'exited'
  if (fleet.isDraining(id)) return 'draining'
  // Or about to be: no call is sent to it.
  if (state.kind === 'frozen' || fleet.isFrozen(id)) return 'frozen'
  return fleet.isReady(id) ? 'ready' : 'starting'
}
