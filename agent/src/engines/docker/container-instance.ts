/** A container as an instance. */
import { setTimeout as delay } from 'node:timers/promises'
import type Docker from 'dockerode'
import type { ContainerInspectInfo } from 'dockerode'
import { FUNCTION_PORT } from '@ryo-faas/runtime/protocol'
import { nullIfMissing, type Reach } from '../../docker/index.ts'
import type { Instance } from '../engine.ts'
import type { Identity } from './pool-folders.ts'
import { networkName } from './project-network.ts'

/** Docker reports out of memory separately from the exit, and maybe after it (containerd/containerd#8893). */
const REASON_MS = 300
const KILLED = 128 + 9

/** What Docker knows about a container, with the reason of its exit. @returns null if there is none */
export async function inspectSettled(docker: Docker, id: string): Promise<ContainerInspectInfo | null> {
  for (;;) {
    const found = await docker.getContainer(id).inspect().catch(nullIfMissing)
    if (!found || !isReasonOpen(found)) return found
    await delay(REASON_MS / 4)
  }
}

function isReasonOpen({ State: state }: ContainerInspectInfo): boolean {
  if (state.Running || state.OOMKilled || state.ExitCode !== KILLED) return false
  const age = Date.now() - Date.parse(state.FinishedAt)
  // We cannot tell if the clock was set back.
  return age >= 0 && age < REASON_MS
}

interface Where {
  project: string
  reach: Reach
}

export function toInstance(
  found: ContainerInspectInfo,
  { id, route, version, takenAt, isFrozen = false }: Identity & { isFrozen?: boolean },
  where: Where,
): Instance {
  const { State: state } = found
  return {
    ...{ id, route, version },
    name: found.Name.slice(1),
    startedAt: takenAt ?? state.StartedAt,
    ...(takenAt !== undefined && { origin: 'pool' }),
    state: state.Running
      ? { kind: isFrozen ? 'frozen' : 'running', address: addressOf(found, where) }
      : { kind: 'exited', at: state.FinishedAt, code: state.ExitCode, reason: exitReason(found) },
  }
}

export function addressOf({ NetworkSettings: { Ports, Networks } }: ContainerInspectInfo, { project, reach }: Where) {
  if (reach === 'published') {
    return { host: '127.0.0.1', port: Number(Ports[`${FUNCTION_PORT}/tcp`]?.[0]?.HostPort) }
  }
  const own = Networks[networkName(project)] ?? Networks[networkName(project, 'none')]
  return { host: own?.IPAddress ?? '', port: FUNCTION_PORT }
}

function exitReason({ State: state, HostConfig: limits }: ContainerInspectInfo): string {
  if (state.OOMKilled) return `out of memory (limit ${(limits.Memory ?? 0) / 1024 / 1024} MB)`
  if (state.Error) return state.Error
  return state.ExitCode > 128 ? `killed by signal ${state.ExitCode - 128}` : `exited with code ${state.ExitCode}`
}
