/**
 * How a function's container is locked down. Invariants: not root, root file system read-only, no capability, no way
 * to gain one, bounded memory, CPU and processes, no network but the project's own, nothing of the host mounted but
 * its own secrets (read-only).
 */
import type { ContainerCreateOptions } from 'dockerode'
import { FUNCTION_PORT } from '@ryo-faas/runtime/protocol'
import type { InstanceSpec } from '../engine.ts'

export interface ContainerContext {
  project: string
  network: string
  /** `host:ip` of the proxy, for /etc/hosts. */
  extraHosts: string[]
  /** `published`: the port is also bound to loopback, for hosts that can not reach the bridge (Docker Desktop). */
  reach: 'bridge' | 'published'
  /** Folder on the host with the secrets as files, if the function has any. */
  secretsDir: string | undefined
}

export function labelsOf(
  project: string,
  spec: Pick<InstanceSpec, 'route' | 'version' | 'id'>,
): Record<string, string> {
  return {
    'ryo-faas': project,
    [project]: 'function',
    [`${project}.function`]: spec.route,
    [`${project}.version`]: String(spec.version),
    [`${project}.instance`]: spec.id,
  }
}

export function containerOptions(spec: InstanceSpec, context: ContainerContext): ContainerCreateOptions {
  const { memoryMb, cpus, pids } = spec.limits
  const port = `${FUNCTION_PORT}/tcp`
  return {
    name: `${context.project}-${spec.route}--${spec.id}`,
    Image: spec.image,
    Cmd: ['node', `/app/${spec.entry}`],
    WorkingDir: '/app',
    User: '1000:1000',
    Env: Object.entries({ ...spec.env, ...spec.secrets }).map(([name, value]) => `${name}=${value}`),
    Labels: labelsOf(context.project, spec),
    StopSignal: 'SIGTERM',
    ...(context.reach === 'published' && { ExposedPorts: { [port]: {} } }),
    HostConfig: {
      NetworkMode: context.network,
      ExtraHosts: context.extraHosts,
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      PidsLimit: pids,
      Memory: memoryMb * 1024 * 1024,
      MemorySwap: memoryMb * 1024 * 1024,
      NanoCpus: Math.round(cpus * 1e9),
      Tmpfs: { '/tmp': 'rw,noexec,nosuid,nodev,size=64m,mode=1777' },
      LogConfig: { Type: 'json-file', Config: { 'max-size': '5m', 'max-file': '2' } },
      RestartPolicy: { Name: 'no' },
      ...(context.secretsDir !== undefined && { Binds: [`${context.secretsDir}:/run/secrets:ro`] }),
      ...(context.reach === 'published' && { PortBindings: { [port]: [{ HostIp: '127.0.0.1', HostPort: '' }] } }),
    },
  }
}
