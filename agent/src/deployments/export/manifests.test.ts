import { Deployment } from 'kubernetes-models/apps/v1'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { ConfigMap, Secret, Service, type IContainer, type IPodSpec } from 'kubernetes-models/v1'
import { expect, test } from 'vitest'
import { DeployEntry } from '../../contract/index.ts'
import type { VersionRecord } from '../state/index.ts'
import type { ExportedFunction } from './exported-function.ts'
import { objectName, objectsOf, type KubernetesObject, type ManifestContext } from './manifests.ts'
import { notesOf } from './notes.ts'

function exported(entry: object = {}, version: Partial<VersionRecord> = {}): ExportedFunction {
  const config = DeployEntry.parse({ name: 'Pay_in', packageDir: '/p', filePath: '/p/a.ts', ...entry })
  const common = { version: 3, hash: 'h', dir: '/p', entry: 'main.mjs', kind: 'http' as const, language: 'node' }
  return {
    ...{ name: 'Pay_in', route: 'pay_in', notes: [] },
    version: { ...common, protocol: 2, createdAt: '', config, ...version },
  }
}

function objects(of: ExportedFunction, context: Partial<ManifestContext> = {}): Map<string, KubernetesObject> {
  const all = objectsOf(of, {
    ...{ project: 'rfa', image: 'localhost/rfa-pay:1', command: ['node', '/app/main.mjs'], defaults: {} },
    ...{ uid: 65_532, certificates: '', secrets: undefined, architecture: 'amd64', egress: 'internet', ...context },
  })
  const models = { ConfigMap, Deployment, NetworkPolicy, Secret, Service }
  for (const each of all) new models[each.kind](each as never).validate()
  return new Map(all.map(each => [each.kind, each]))
}

function podOf(of: ExportedFunction, context: Partial<ManifestContext> = {}): IPodSpec & { own: IContainer } {
  const pod = (objects(of, context).get('Deployment') as Deployment).spec!.template.spec!
  return { ...pod, own: pod.containers[0]! }
}

const variable = ({ own }: { own: IContainer }, name: string) => own.env?.find(each => each.name === name)?.value

test('a function is a service, a policy and a deployment that fit the schemas of Kubernetes', () => {
  const all = objects(exported({ memoryMb: 96, cpus: 0.5, timeoutMs: 1500, scale: { min: 2 } }))
  expect([...all.keys()].sort()).toEqual(['Deployment', 'NetworkPolicy', 'Service'])
  const { spec } = all.get('Deployment') as Deployment
  expect(spec).toMatchObject({ replicas: 2, strategy: { rollingUpdate: { maxUnavailable: 0 } } })
  const own = spec!.template.spec!.containers[0]!
  expect(own).toMatchObject({
    command: ['node', '/app/main.mjs'],
    readinessProbe: { httpGet: { path: '/.ryo-faas/health', port: 'http' } },
    resources: { limits: { memory: '96Mi', cpu: '500m' } },
  })
  const { selector } = (all.get('Service') as Service).spec!
  expect(spec!.template.metadata?.labels).toMatchObject(selector!)
})

test('it is locked down as a container of the platform is', () => {
  const pod = podOf(exported())
  expect(pod).toMatchObject({
    ...{ automountServiceAccountToken: false, enableServiceLinks: false },
    securityContext: { runAsNonRoot: true, runAsUser: 65_532, seccompProfile: { type: 'RuntimeDefault' } },
  })
  expect(pod.own.securityContext).toEqual({
    ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
  })
  expect(pod.volumes).toEqual([{ name: 'tmp', emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } }])
})

test('a pod is given the time to be forgotten, and then to finish its longest call', () => {
  const { terminationGracePeriodSeconds, own } = podOf(exported({ timeoutMs: 20_000 }))
  const hidden = own.lifecycle!.preStop!.sleep!.seconds
  expect(terminationGracePeriodSeconds).toBeGreaterThanOrEqual(hidden + 20)
  expect(variable({ own }, 'RYO_FAAS_DRAIN_MS')).toBe('20000')
})

test('what reaches nothing in the platform reaches nothing in a cluster, and link-local addresses nobody', () => {
  const egressOf = (entry: object, context?: Partial<ManifestContext>) =>
    (objects(exported(entry), context).get('NetworkPolicy') as NetworkPolicy).spec!.egress
  expect(egressOf({ egress: 'none' })).toEqual([])
  expect(egressOf({}, { egress: 'none' })).toEqual([])
  expect(egressOf({ egress: 'internet' }, { egress: 'none' })).not.toEqual([])
  expect(JSON.stringify(egressOf({}))).toContain('"except":["169.254.0.0/16"]')
})

test('values of secrets are in an object of their own, or nowhere', () => {
  const of = exported({ secrets: ['KEY'], env: { KEY: 'overridden', OTHER: 'x' } })
  const without = objects(of)
  expect(without.has('Secret')).toBe(false)
  const all = objects(of, { secrets: { KEY: 'v4lue' } })
  expect((all.get('Secret') as Secret).stringData).toEqual({ KEY: 'v4lue' })
  for (const [kind, each] of all)
    expect([kind, JSON.stringify(each).includes('v4lue')]).toEqual([kind, kind === 'Secret'])
  const pod = podOf(of)
  const { name } = (all.get('Secret') as Secret).metadata!
  expect(pod.own.envFrom).toEqual([{ secretRef: { name } }])
  expect(pod.volumes).toContainEqual({ name: 'secrets', secret: { secretName: name } })
  expect([variable(pod, 'KEY'), variable(pod, 'OTHER')]).toEqual([undefined, 'x'])
})

test('authorities that it trusts are a config map', () => {
  const all = objects(exported(), { certificates: 'PEM' })
  expect((all.get('ConfigMap') as ConfigMap).data).toEqual({ 'certificates.pem': 'PEM' })
  expect(variable(podOf(exported(), { certificates: 'PEM' }), 'NODE_EXTRA_CA_CERTS')).toBe(
    '/run/trust/certificates.pem',
  )
})

test('a program that knows nothing of us is told by PORT, and is ready as deploy.json says', () => {
  const plain = (entry: object) => podOf(exported({ command: ['./server'], ...entry }, { protocol: 0 }))
  expect(plain({}).own.readinessProbe).toMatchObject({ tcpSocket: { port: 'http' } })
  expect(plain({ readiness: '/ok' }).own.readinessProbe).toMatchObject({ httpGet: { path: '/ok' } })
  expect(variable(plain({}), 'PORT')).toBe('6000')
  expect(plain({}).own.env!.map(({ name }) => name)).not.toContain('RYO_FAAS_FUNCTION')
})

test('what Kubernetes would expand stays as it was written', () => {
  const pod = podOf(exported({ env: { A: '$(HOME)', B: '$HOME', C: '$$' } }))
  expect(['A', 'B', 'C'].map(name => variable(pod, name))).toEqual(['$$(HOME)', '$HOME', '$$$$'])
})

test('every route has a name of its own that a cluster takes', () => {
  const long = 'a'.repeat(63)
  const routes = ['a_b', 'a-b', 'a__b', 'a-', 'a', '0', 'fn-0', long, `${long.slice(1)}_`, `${long.slice(1)}-`]
  const names = routes.map(route => objectName(route))
  expect(new Set(names).size).toBe(routes.length)
  for (const name of names) expect(name).toMatch(/^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$/)
  expect(objectName('a-b')).toBe('a-b')
})

test('what is not carried over is said', () => {
  const said = (entry: object) => notesOf(exported(entry)).join('\n')
  expect(said({ instances: 2 })).toBe('')
  expect(said({ async: true })).toMatch(/asynchronous calls/)
  expect(said({ on: [{ table: 't', events: ['new-doc'] }] })).toMatch(/triggers/)
  expect(said({ schedule: [{ cron: '0 3 * * *', zone: 'Europe/Berlin' }, { every: '5m' }] })).toMatch(
    /"schedule" \(0 3 \* \* \* Europe\/Berlin, every 5m\): .* http:\/\/pay-in-[0-9a-f]{8} .* twice or not at all/,
  )
  expect(said({})).toMatch(/scaling from zero/)
  expect(said({ access: 'key', rate: '10/s' })).toMatch(/"access", "rate": whoever reaches/)
  expect(said({ route: '/orders' })).toMatch(/Ingress/)
})
