/**
 * A function as objects of Kubernetes: nothing of ours has to run there. What the function does is carried over, and how
 * it is locked down; what the platform does around it is not, and the notes say so.
 *
 * Invariants: 1. The same function gives the same objects. 2. A value of a secret is in an object of kind Secret only.
 */
import { createHash } from 'node:crypto'
import type { IDeployment } from 'kubernetes-models/apps/v1'
import type { INetworkPolicy, INetworkPolicySpec } from 'kubernetes-models/networking.k8s.io/v1'
import type { IConfigMap, IContainer, IPodSpec, ISecret, IService } from 'kubernetes-models/v1'
import { ENV, FUNCTION_PORT, HEALTH_PATH } from '@ryo-faas/runtime/protocol'
import type { VersionRecord } from '../state/index.ts'
import { bodyLimitBytesOf } from '../environment.ts'
import { drainMsOf } from '../instances.ts'
import { isPlain } from '../readiness.ts'
import { scaleOf } from '../scaling/index.ts'
import type { ExportedFunction } from './exported-function.ts'

export type KubernetesObject = IConfigMap | IDeployment | INetworkPolicy | ISecret | IService

export interface ManifestContext {
  /** Of the platform, or of the project: what belongs together. */
  project: string
  /** As nodes fetch it. */
  image: string
  command: string[]
  /** Variables that its image needs, such as a path of programs. */
  defaults: Record<string, string>
  /** The user that functions run as. */
  uid: number
  /** Of authorities that it trusts in addition, as PEM. */
  certificates: string
  /** Values by name; undefined: whoever applies the objects makes the Secret. */
  secrets: Record<string, string> | undefined
  /** Processor of the nodes, as Kubernetes names it. */
  architecture: string
  egress: 'internet' | 'none'
}

/** Longest name of a service; that of a cron job may be 11 shorter. */
const MOST_NAME = 63
/** How long those who send requests may take to learn that a pod is ending. */
const UNLISTED_SECONDS = 5
const SECRETS = '/run/secrets'
const CERTIFICATES = 'certificates.pem'
/** These addresses serve credentials in clouds. */
const LINK_LOCAL = { ipv4: '169.254.0.0/16', ipv6: 'fe80::/10' }

/** @param at most this many characters. Two routes never have the same name. */
export function objectName(route: string, most = MOST_NAME): string {
  const plain = route.replaceAll('_', '-').replace(/^(?=\d)/, 'fn-')
  if (plain === route && route.length <= most && !route.endsWith('-')) return route
  const hash = createHash('sha256').update(route).digest('hex').slice(0, 8)
  return `${plain.slice(0, most - 9).replace(/-+$/, '')}-${hash}`
}

export function secretName(route: string): string {
  return objectName(`${route}-secrets`)
}

export function objectsOf(exported: ExportedFunction, context: ManifestContext): KubernetesObject[] {
  const { route, version } = exported
  const { config } = version
  const name = objectName(route)
  const labels = { 'app.kubernetes.io/name': name, 'app.kubernetes.io/part-of': context.project }
  const metadata = { name, labels: { ...labels, 'app.kubernetes.io/managed-by': 'ryo-faas' } }
  const named = (suffix: string) => ({ ...metadata, name: objectName(`${route}-${suffix}`) })
  const { secrets, certificates } = context
  const secret: ISecret = {
    ...{ apiVersion: 'v1', kind: 'Secret', metadata: named('secrets'), type: 'Opaque' },
    stringData: secrets ?? {},
  }
  const trust: IConfigMap = {
    ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: named('trust') },
    data: { [CERTIFICATES]: certificates },
  }
  const service: IService = {
    ...{ apiVersion: 'v1', kind: 'Service', metadata },
    spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
  }
  const policy: INetworkPolicy = {
    ...{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata },
    spec: { podSelector: { matchLabels: labels }, policyTypes: ['Egress'], egress: egressOf(config, context) },
  }
  const deployment: IDeployment = {
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata },
    spec: {
      replicas: Math.max(1, scaleOf(exported, config).min),
      selector: { matchLabels: labels },
      // As the platform does: the new one is ready before an old one ends.
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      template: { metadata: { labels: metadata.labels }, spec: podOf(exported, context) },
    },
  }
  return [
    ...(config.secrets.length > 0 && secrets !== undefined ? [secret] : []),
    ...(certificates === '' ? [] : [trust]),
    service,
    policy,
    deployment,
  ]
}

/** The function's own container, as a server. */
function podOf({ name, route, version }: ExportedFunction, context: ManifestContext): IPodSpec {
  const { config } = version
  const drainSeconds = Math.ceil(drainMsOf(version) / 1000)
  const probe = isPlain(version) ? plainProbe(config) : { httpGet: { path: HEALTH_PATH, port: 'http' } }
  return {
    ...podBasics(context),
    terminationGracePeriodSeconds: UNLISTED_SECONDS + drainSeconds + 2,
    containers: [
      {
        ...{ name: 'function', image: context.image, imagePullPolicy: 'IfNotPresent' },
        ...(context.command.length > 0 && { command: context.command.map(unexpanded) }),
        env: environmentOf(name, version, context),
        ...(config.secrets.length > 0 && { envFrom: [{ secretRef: { name: secretName(route) } }] }),
        ports: [{ name: 'http', containerPort: FUNCTION_PORT }],
        startupProbe: { ...probe, periodSeconds: 1, failureThreshold: 60 },
        readinessProbe: { ...probe, periodSeconds: 5, failureThreshold: 2 },
        // It goes on serving until nobody is sent to it any more; then SIGTERM lets it finish what it has begun.
        lifecycle: { preStop: { sleep: { seconds: UNLISTED_SECONDS } } },
        resources: resourcesOf(config),
        securityContext: LOCKED_DOWN,
        volumeMounts: mountsOf(config, context),
      },
    ],
    volumes: volumesOf(route, config, context),
  }
}

function podBasics({ uid, architecture }: ManifestContext): Omit<IPodSpec, 'containers'> {
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    nodeSelector: { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': architecture },
    securityContext: {
      ...{ runAsNonRoot: true, runAsUser: uid, runAsGroup: uid },
      seccompProfile: { type: 'RuntimeDefault' },
    },
  }
}

const LOCKED_DOWN: Required<IContainer>['securityContext'] = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
}

function plainProbe({ readiness }: VersionRecord['config']): Required<IContainer>['readinessProbe'] {
  return readiness === undefined ? { tcpSocket: { port: 'http' } } : { httpGet: { path: readiness, port: 'http' } }
}

function environmentOf(
  name: string,
  version: VersionRecord,
  { defaults, certificates }: ManifestContext,
): Required<IContainer>['env'] {
  const { config } = version
  const own: Record<string, string> = {
    ...defaults,
    ...(certificates !== '' && { NODE_EXTRA_CA_CERTS: `/run/trust/${CERTIFICATES}` }),
    ...(config.secrets.includes('NODE_ENV') ? {} : { NODE_ENV: 'production' }),
    ...Object.fromEntries(Object.entries(config.env).filter(([variable]) => !config.secrets.includes(variable))),
    ...(isPlain(version)
      ? { PORT: String(FUNCTION_PORT) }
      : {
          [ENV.name]: name,
          [ENV.version]: String(version.version),
          [ENV.timeoutMs]: String(config.timeoutMs),
          [ENV.concurrency]: String(config.concurrency),
          [ENV.bodyLimitBytes]: String(bodyLimitBytesOf(config)),
          [ENV.drainMs]: String(drainMsOf(version)),
        }),
  }
  const values = Object.entries(own).map(([key, value]) => ({ name: key, value: unexpanded(value) }))
  if (isPlain(version)) return values
  return [...values, { name: ENV.instance, valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }]
}

/** Kubernetes replaces `$(NAME)` by a variable, and `$$` by a dollar. */
function unexpanded(text: string): string {
  return /\$[$(]/.test(text) ? text.replaceAll('$', '$$$$') : text
}

function resourcesOf({ memoryMb, cpus }: VersionRecord['config']): Required<IContainer>['resources'] {
  const memory = `${memoryMb}Mi`
  const millis = Math.round(cpus * 1000)
  // What it may take is what it is promised, but for processors: most of the time it needs few.
  return {
    limits: { memory, cpu: `${millis}m` },
    requests: { memory, cpu: `${Math.max(1, Math.round(millis / 10))}m` },
  }
}

function mountsOf(
  { secrets }: VersionRecord['config'],
  { certificates }: ManifestContext,
): Required<IContainer>['volumeMounts'] {
  return [
    { name: 'tmp', mountPath: '/tmp' },
    ...(secrets.length > 0 ? [{ name: 'secrets', mountPath: SECRETS, readOnly: true }] : []),
    ...(certificates === '' ? [] : [{ name: 'trust', mountPath: '/run/trust', readOnly: true }]),
  ]
}

function volumesOf(
  route: string,
  { secrets }: VersionRecord['config'],
  { certificates }: ManifestContext,
): Required<IPodSpec>['volumes'] {
  return [
    { name: 'tmp', emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } },
    ...(secrets.length > 0 ? [{ name: 'secrets', secret: { secretName: secretName(route) } }] : []),
    ...(certificates === '' ? [] : [{ name: 'trust', configMap: { name: objectName(`${route}-trust`) } }]),
  ]
}

/** A name server may be anywhere, also at a link-local address. */
function egressOf(
  config: VersionRecord['config'],
  { egress }: ManifestContext,
): Required<INetworkPolicySpec>['egress'] {
  if ((config.egress ?? egress) === 'none') return []
  return [
    {
      to: [
        { ipBlock: { cidr: '0.0.0.0/0', except: [LINK_LOCAL.ipv4] } },
        { ipBlock: { cidr: '::/0', except: [LINK_LOCAL.ipv6] } },
      ],
    },
    {
      ports: [
        { protocol: 'UDP', port: 53 },
        { protocol: 'TCP', port: 53 },
      ],
    },
  ]
}
