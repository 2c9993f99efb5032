/**
 * How an instance is a service: one task, which is never restarted (the deployer decides), reached at a port of its
 * machine. Locked down as the container of the engine `docker` is (`docker/container-spec.ts`), with these differences:
 * Swarm has no limit of swap, the private cgroup namespace is the daemon's setting, and nothing of a machine is mounted.
 */
import type { CreateServiceOptions } from 'dockerode'
import { ENV, FUNCTION_PORT } from '@ryo-faas/runtime/protocol'
import { APP_FOLDER, FUNCTION_UID, labelsOf, pathOf } from '../docker/container-spec.ts'
import type { InstanceSpec } from '../engine.ts'

/** Where what must not be in the service is read from. */
export const VARIABLES_FILE = '/run/ryo-faas/variables.cjs'
const CERTIFICATES = '/run/certificates.pem'
const DEFAULT_DRAIN_MS = 5_000
/** Beyond the draining, as the deployer does. */
const GRACE_MS = 2_000
/** Of Swarm. */
const MAX_NAME = 63

/** A secret or config of Swarm, and where the instance finds it. */
export interface Handed {
  kind: 'secret' | 'config'
  id: string
  name: string
  target: string
}

export interface ServiceContext {
  project: string
  /** As the machines fetch it. */
  image: string
  /** Ids of networks of the swarm. */
  networks: string[]
  handed: readonly Handed[]
  /** `address name` of the platform, for /etc/hosts. */
  hosts: string[]
  defaults: Record<string, string>
  constraints: string[]
}

export function serviceName(project: string, { route, id }: Pick<InstanceSpec, 'route' | 'id'>): string {
  const most = MAX_NAME - project.length - id.length - 3
  return `${project}-${route.slice(0, most)}--${id}`
}

/** Variables that whoever may inspect services must not see: secrets and tokens. */
export function hiddenVariables({ env, secrets, command }: InstanceSpec): Record<string, string> {
  // Only Node can be told to read them before it begins.
  if (command[0] !== 'node') return {}
  const names = [...Object.keys(secrets), ENV.token, ENV.deliveryToken, ENV.instanceKey]
  const all: Record<string, string> = { ...secrets, ...env }
  return Object.fromEntries(names.flatMap(name => (all[name] === undefined ? [] : [[name, all[name]]])))
}

/** Certificates are public. */
export function certificatesOf({ certificates = '' }: InstanceSpec): string | undefined {
  return certificates === '' ? undefined : certificates
}

/** What is handed over, as contents by their place in the instance. */
export function contentsOf(spec: InstanceSpec): (Pick<Handed, 'kind' | 'target'> & { content: string })[] {
  const hidden = hiddenVariables(spec)
  const certificates = certificatesOf(spec)
  return [
    ...Object.entries(spec.secrets).map(([target, content]) => ({ kind: 'secret' as const, target, content })),
    ...(Object.keys(hidden).length === 0
      ? []
      : [{ kind: 'secret' as const, target: VARIABLES_FILE, content: preloadOf(hidden) }]),
    ...(certificates === undefined ? [] : [{ kind: 'config' as const, target: CERTIFICATES, content: certificates }]),
  ]
}

/**
 * Of several addresses Node gives each but the last 250 ms: a function that computes for so long would take the one that
 * serves for one that does not.
 */
const CONNECT_PATIENTLY = '--network-family-autoselection-attempt-timeout=2000'

/** Node runs it first. Programs that the function starts with its own flags have the variables already. */
function preloadOf(variables: Record<string, string>): string {
  return [
    `for (const [name, value] of Object.entries(${JSON.stringify(variables)})) process.env[name] ??= value`,
    `process.execArgv = process.execArgv.filter(flag => flag !== '--require=${VARIABLES_FILE}')`,
    '',
  ].join('\n')
}

export function serviceSpec(spec: InstanceSpec, context: ServiceContext): CreateServiceOptions {
  const { memoryMb, cpus, pids } = spec.limits
  const { project } = context
  const labels = labelsOf(project, spec)
  const hidden = hiddenVariables(spec)
  const visible = Object.entries({
    ...pathOf(spec),
    ...context.defaults,
    ...(certificatesOf(spec) !== undefined && { NODE_EXTRA_CA_CERTS: CERTIFICATES }),
    ...spec.secrets,
    ...spec.env,
    ...(spec.isPlain && { PORT: String(FUNCTION_PORT) }),
  }).filter(([name]) => !(name in hidden))
  return {
    Name: serviceName(project, spec),
    Labels: labels,
    Mode: { Replicated: { Replicas: 1 } },
    TaskTemplate: {
      ContainerSpec: {
        Image: context.image,
        Labels: labels,
        // `Command` would be an entry point; an image of ours has none.
        Args: commandOf(spec, { hidden, hosts: context.hosts }),
        Dir: APP_FOLDER,
        User: `${FUNCTION_UID}:${FUNCTION_UID}`,
        Env: visible.map(([name, value]) => `${name}=${value}`),
        Hosts: context.hosts,
        ReadOnly: true,
        CapabilityDrop: ['ALL'],
        Privileges: { NoNewPrivileges: true },
        Mounts: [{ Type: 'tmpfs', Target: '/tmp', TmpfsOptions: { SizeBytes: 64 * 1024 * 1024, Mode: 0o1777 } }],
        StopSignal: 'SIGTERM',
        StopGracePeriod: (Number(spec.env[ENV.drainMs] ?? DEFAULT_DRAIN_MS) + GRACE_MS) * 1e6,
        Secrets: filesOf(context.handed, 'secret').map(({ File, id, name }) => ({
          File,
          SecretID: id,
          SecretName: name,
        })),
        Configs: filesOf(context.handed, 'config').map(({ File, id, name }) => ({
          File,
          ConfigID: id,
          ConfigName: name,
        })),
      },
      Resources: {
        Limits: { NanoCPUs: Math.round(cpus * 1e9), MemoryBytes: memoryMb * 1024 * 1024, Pids: pids },
      },
      RestartPolicy: { Condition: 'none' },
      LogDriver: { Name: 'json-file', Options: { 'max-size': '5m', 'max-file': '2' } },
      Placement: { Constraints: context.constraints },
      Networks: context.networks.map(id => ({ Target: id })),
    },
    EndpointSpec: {
      Mode: 'dnsrr',
      Ports: [{ Protocol: 'tcp', TargetPort: FUNCTION_PORT, PublishMode: 'host' }],
    },
    // The types of the client are behind what Docker takes.
  } as unknown as CreateServiceOptions
}

function commandOf(
  { command }: InstanceSpec,
  { hidden, hosts }: { hidden: Record<string, string>; hosts: readonly string[] },
): string[] {
  const [program, ...rest] = command
  if (Object.keys(hidden).length === 0 || program === undefined) return command
  return [program, ...(hosts.length > 1 ? [CONNECT_PATIENTLY] : []), `--require=${VARIABLES_FILE}`, ...rest]
}

function filesOf(handed: readonly Handed[], kind: Handed['kind']) {
  return handed
    .filter(each => each.kind === kind)
    .map(({ id, name, target }) => {
      const File = { Name: target, UID: String(FUNCTION_UID), GID: String(FUNCTION_UID), Mode: 0o444 }
      return { id, name, File }
    })
}

/**
 * Constraints of Swarm for `"nodes"` of deploy.json, whose schema has checked it. `role==gpu` asks for a label of a
 * machine; what begins with `node.` or `engine.` is Swarm's own.
 */
export function constraintsOf(nodes: string | undefined): string[] {
  const wishes = nodes?.split(',').map(wish => wish.replaceAll(/\s/g, '')) ?? []
  return wishes.map(wish => (/^(?:node|engine)\./.test(wish) ? wish : `node.labels.${wish}`))
}
