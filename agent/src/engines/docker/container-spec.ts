/**
 * How a function's container is locked down. Invariants: neither root nor a user of this machine, who could read its
 * memory and secrets from outside, root file system read-only, no capability, no way
 * to gain one, bounded memory, CPU and processes, no network but the project's own and those that it names, nothing of the host mounted but
 * its own secrets, public certificates and, for one from the pool, its own code (all read-only).
 */
import { dirname } from 'node:path'
import type { ContainerCreateOptions, EndpointsConfig } from 'dockerode'
import { FUNCTION_PORT } from '@ryo-faas/runtime/protocol'
import { dockerfileOf, hostPathsOf } from '../../contract/index.ts'
import { OWN_CGROUPS, type Reach } from '../../docker/index.ts'
import type { InstanceSpec } from '../engine.ts'

/** Path of the package in the container; the image puts it there. */
export const APP_FOLDER = '/app'
/** The user of functions; an id that no user has (65534 is `nobody`, which is shared). */
export const FUNCTION_UID = 65_532
/** Inside the container. */
const CERTIFICATES = '/run/certificates.pem'
export const DEBUG_PORT = 9229
const DEFAULT_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

export interface ContainerContext {
  project: string
  network: string
  /** Networks of others, each with the address that it has there. */
  joinings?: readonly { network: string; mac: string }[]
  /** Label with the rules that go with it, if there are any. */
  joined?: string
  /** Variables that its own replace. */
  defaults?: Record<string, string>
  /** File on the host with certificates, if there are any. */
  certificates?: string | undefined
  /** `host:ip` of the proxy, for /etc/hosts. */
  extraHosts: string[]
  /** `published`: the port is also bound to loopback, for hosts that cannot reach the bridge (Docker Desktop). */
  reach: Reach
  /** Folder on the host with the secrets as files, if the function has any. */
  secretsDir: string | undefined
  /** It waits for a function: its id in the pool, and the folder on the host to which the code will be brought. */
  waiter?: { poolId: string; codeDir: string }
}

/** Name of the label with the id in the pool: containers that have it have no other of `labelsOf`. */
export function poolLabel(project: string): string {
  return `${project}.pool`
}

/** Name of the label that `joining` is written in. */
export function joinedLabel(project: string): string {
  return `${project}.joined`
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
  const { debugPort } = spec
  const bound = {
    ...(context.reach === 'published' && { [`${FUNCTION_PORT}/tcp`]: '' }),
    ...(debugPort !== undefined && { [`${DEBUG_PORT}/tcp`]: String(debugPort) }),
  }
  return {
    name: nameOf(spec, context),
    Image: spec.image,
    ...(spec.command.length > 0 && { Cmd: spec.command }),
    // An image of a Dockerfile says where its program runs.
    ...(dockerfileOf(spec.base) === undefined && { WorkingDir: APP_FOLDER }),
    User: `${FUNCTION_UID}:${FUNCTION_UID}`,
    Env: Object.entries({
      ...pathOf(spec),
      ...context.defaults,
      ...(context.certificates !== undefined && { NODE_EXTRA_CA_CERTS: CERTIFICATES }),
      ...spec.secrets,
      ...spec.env,
      ...(spec.isPlain && { PORT: String(FUNCTION_PORT) }),
    }).map(([name, value]) => `${name}=${value}`),
    Labels: {
      ...(context.waiter
        ? { 'ryo-faas': context.project, [poolLabel(context.project)]: context.waiter.poolId }
        : labelsOf(context.project, spec)),
      ...(context.joined && { [joinedLabel(context.project)]: context.joined }),
    },
    StopSignal: 'SIGTERM',
    ExposedPorts: mapValues(bound, () => ({})),
    ...(context.joinings?.length && { NetworkingConfig: { EndpointsConfig: endpointsOf(context) } }),
    HostConfig: {
      NetworkMode: context.network,
      ExtraHosts: context.extraHosts,
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      ...OWN_CGROUPS,
      PidsLimit: pids,
      Memory: memoryMb * 1024 * 1024,
      MemorySwap: memoryMb * 1024 * 1024,
      NanoCpus: Math.round(cpus * 1e9),
      Tmpfs: { '/tmp': 'rw,noexec,nosuid,nodev,size=64m,mode=1777' },
      LogConfig: { Type: 'json-file', Config: { 'max-size': '5m', 'max-file': '2' } },
      RestartPolicy: { Name: 'no' },
      Binds: bindsOf(context),
      PortBindings: mapValues(bound, HostPort => [{ HostIp: '127.0.0.1', HostPort }]),
    },
  }
}

/** Programs of this machine are where they are here. */
export function pathOf({ base }: Pick<InstanceSpec, 'base'>): { PATH?: string } {
  const folders = hostPathsOf(base)?.map(path => dirname(path))
  return folders === undefined ? {} : { PATH: [...new Set([...folders, ...DEFAULT_PATH])].join(':') }
}

/** No route begins with a dash. */
function nameOf({ route, id }: InstanceSpec, { project, waiter }: ContainerContext): string {
  return waiter ? `${project}--pool-${waiter.poolId}` : `${project}-${route}--${id}`
}

function endpointsOf({ network, joinings = [] }: ContainerContext): EndpointsConfig {
  const joined = joinings.map(({ network: name, mac }) => [name, { MacAddress: mac }] as const)
  return { [network]: {}, ...Object.fromEntries(joined) }
}

function bindsOf({ secretsDir, certificates, waiter }: ContainerContext): string[] {
  return [
    ...(waiter === undefined ? [] : [`${waiter.codeDir}:${APP_FOLDER}:ro`]),
    ...(secretsDir === undefined ? [] : [`${secretsDir}:/run/secrets:ro`]),
    ...(certificates === undefined ? [] : [`${certificates}:${CERTIFICATES}:ro`]),
  ]
}

function mapValues<T>(record: Record<string, string>, change: (value: string) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]))
}
