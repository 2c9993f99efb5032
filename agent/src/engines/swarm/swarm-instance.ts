/** A task as an instance. */
import type { Instance } from '../engine.ts'
import { addressOf, isLeaving, portOf, type SwarmTask } from './swarm-api.ts'
import type { SeenTask } from './swarm-view.ts'

const KILLED = 128 + 9
const ENDED = new Set(['complete', 'shutdown', 'failed', 'rejected', 'orphaned'])

/** What has become of a task: `coming` has no address yet, `going` was stopped. */
export type Phase = 'coming' | 'running' | 'ended' | 'going'

export function phaseOf({ task, node }: SeenTask): Phase {
  if (task.DesiredState === 'remove' || task.Status.State === 'remove') return 'going'
  if (ENDED.has(task.Status.State)) return 'ended'
  const isLost = isOnLost({ task, node })
  if (task.Status.State !== 'running') return isLost ? 'ended' : 'coming'
  // It was told to end: the machine is being drained.
  if (isLost || task.DesiredState === 'shutdown') return 'ended'
  return portOf(task) === undefined ? 'coming' : 'running'
}

/**
 * @param host the line of /etc/hosts with which functions reach the platform on this machine
 * @returns undefined for what is not listed: it is not there yet, or not any more
 */
export function toInstance(seen: SeenTask, name: string, host?: string): Instance | undefined {
  const { is, task, node } = seen
  const { id, route, version } = is
  const { Timestamp, ContainerStatus } = task.Status
  const machine = node?.Description.Hostname
  const { Hosts = [] } = task.Spec.ContainerSpec
  const isStranded = host !== undefined && Hosts.length > 0 && !Hosts.includes(host)
  const common = {
    ...{ id, route, version, name, startedAt: Timestamp },
    ...(machine !== undefined && { machine }),
    ...(isStranded && { isStranded: true as const }),
    ...(isLeaving(node) && { isLeaving: true as const }),
  }
  switch (phaseOf(seen)) {
    case 'coming':
    case 'going':
      return undefined
    case 'running':
      return { ...common, state: { kind: 'running', address: { host: addressOf(node!), port: portOf(task)! } } }
    case 'ended':
      return {
        ...common,
        state: { kind: 'exited', at: Timestamp, code: codeOf(seen, ContainerStatus?.ExitCode), reason: reasonOf(seen) },
      }
  }
}

function codeOf({ task }: SeenTask, code: number | undefined): number | null {
  return ENDED.has(task.Status.State) ? (code ?? null) : null
}

/** Nothing of it runs any more, as far as can be known; also if it was stopped. */
export function hasEnded(seen: Pick<SeenTask, 'task' | 'node'>): boolean {
  return ENDED.has(seen.task.Status.State) || isOnLost(seen)
}

/** Its machine is not responding, or was removed from the swarm. */
function isOnLost({ task, node }: Pick<SeenTask, 'task' | 'node'>): boolean {
  return node === undefined ? Boolean(task.NodeID) : node.Status.State === 'down'
}

/** It ended, and did not fail to start: the message is what was being done. */
export function hasRun({ Status: { State, Message = '' } }: SwarmTask): boolean {
  return State !== 'rejected' && !['preparing', 'starting'].includes(Message)
}

function reasonOf({ task, node }: SeenTask): string {
  const { State, Err, ContainerStatus } = task.Status
  if (node === undefined) return 'lost: its machine is not in the swarm any more'
  if (node.Status.State === 'down') return `lost: the machine ${node.Description.Hostname} is not responding`
  if (!ENDED.has(State)) return `ended: the machine ${node.Description.Hostname} gives up its instances`
  const code = ContainerStatus?.ExitCode ?? 0
  if (!hasRun(task) && Err) return Err
  if (code === KILLED) {
    // Swarm does not pass on why the kernel killed it.
    const limitMb = (task.Spec.Resources?.Limits?.MemoryBytes ?? 0) / 1024 / 1024
    return `killed by signal 9, probably out of memory (limit ${limitMb} MB)`
  }
  return code > 128 ? `killed by signal ${code - 128}` : `exited with code ${code}`
}
