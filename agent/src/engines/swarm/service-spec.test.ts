import { expect, test } from 'vitest'
import { ENV } from '@ryo-faas/runtime/protocol'
import { DeployEntry } from '../../contract/index.ts'
import { containerOptions } from '../docker/container-spec.ts'
import type { InstanceSpec } from '../engine.ts'
import { constraintsOf, contentsOf, serviceName, serviceSpec, VARIABLES_FILE } from './service-spec.ts'

interface Service {
  Labels: Record<string, string>
  Mode: unknown
  TaskTemplate: {
    ContainerSpec: Record<string, unknown> & {
      Args: string[]
      Env: string[]
      Privileges: { NoNewPrivileges: boolean }
      Mounts: { Type: string; Target: string; TmpfsOptions: { SizeBytes: number; Mode: number } }[]
      Secrets: { SecretID: string; File: object }[]
      StopGracePeriod: number
    }
    Resources: { Limits: { NanoCPUs: number; MemoryBytes: number; Pids: number } }
    RestartPolicy: { Condition: string }
    LogDriver: { Name: string; Options: object }
  }
  EndpointSpec: { Mode: string; Ports: object[] }
}

const spec: InstanceSpec = {
  ...{ id: 'a1', route: 'pay', version: 3, image: 'rfa-pay:h', command: ['node', 'main.mjs'] },
  env: { GREETING: 'hi', [ENV.token]: 'tkn', [ENV.drainMs]: '7000', BOTH: 'env' },
  secrets: { KEY: 's3cret', BOTH: 'secret' },
  limits: { memoryMb: 128, cpus: 0.5, pids: 64 },
}
const context = {
  ...{ project: 'rfa', image: '192.0.2.1:5000/rfa@sha256:0', networks: ['n1'], handed: [], hosts: [] },
  ...{ defaults: { TZ: 'UTC' }, constraints: [] },
}
const serviceOf = (changes: Partial<InstanceSpec> = {}) =>
  serviceSpec({ ...spec, ...changes }, context) as unknown as Service

test('a service is locked down point by point as a container of the engine docker is', () => {
  const container = containerOptions(spec, {
    ...{ project: 'rfa', network: 'rfa', reach: 'bridge', extraHosts: [], secretsDir: undefined },
  })
  const host = container.HostConfig!
  const { TaskTemplate: task, Labels } = serviceOf()
  const inside = task.ContainerSpec
  expect({
    ReadonlyRootfs: inside['ReadOnly'],
    CapDrop: inside['CapabilityDrop'],
    SecurityOpt: inside.Privileges.NoNewPrivileges ? ['no-new-privileges'] : [],
    PidsLimit: task.Resources.Limits.Pids,
    Memory: task.Resources.Limits.MemoryBytes,
    NanoCpus: task.Resources.Limits.NanoCPUs,
    LogConfig: { Type: task.LogDriver.Name, Config: task.LogDriver.Options },
    RestartPolicy: { Name: task.RestartPolicy.Condition.replace('none', 'no') },
  }).toEqual({
    ...{ ReadonlyRootfs: host.ReadonlyRootfs, CapDrop: host.CapDrop, SecurityOpt: host.SecurityOpt },
    ...{ PidsLimit: host.PidsLimit, Memory: host.Memory, NanoCpus: host.NanoCpus },
    ...{ LogConfig: host.LogConfig, RestartPolicy: host.RestartPolicy },
  })
  expect([inside['User'], inside['Dir'], inside['StopSignal'], Labels]).toEqual([
    ...[container.User, container.WorkingDir, container.StopSignal, container.Labels],
  ])
  // Docker mounts what Swarm calls tmpfs without exec, setuid and devices.
  expect(inside.Mounts).toEqual([
    { Type: 'tmpfs', Target: '/tmp', TmpfsOptions: { SizeBytes: 64 * 1024 * 1024, Mode: 0o1777 } },
  ])
  expect(host.Tmpfs).toEqual({ '/tmp': 'rw,noexec,nosuid,nodev,size=64m,mode=1777' })
})

test('secrets and tokens are nowhere in the service, and env wins over secrets', () => {
  const service = serviceOf()
  const said = JSON.stringify(service)
  for (const hidden of ['s3cret', 'tkn']) expect(said).not.toContain(hidden)
  const { Args, Env } = service.TaskTemplate.ContainerSpec
  expect(Args).toEqual(['node', `--require=${VARIABLES_FILE}`, 'main.mjs'])
  expect(Env).toEqual(expect.arrayContaining(['GREETING=hi', 'TZ=UTC']))
  const contents = contentsOf(spec)
  expect(contents.map(({ kind, target }) => [kind, target])).toEqual([
    ['secret', 'KEY'],
    ['secret', 'BOTH'],
    ['secret', VARIABLES_FILE],
  ])
  expect(contents[2]!.content).toContain(JSON.stringify({ KEY: 's3cret', BOTH: 'env', [ENV.token]: 'tkn' }))
})

test('with several machines where the platform may be, Node waits for each of them', () => {
  const argsWith = (hosts: string[]) =>
    (serviceSpec(spec, { ...context, hosts }) as unknown as Service).TaskTemplate.ContainerSpec.Args
  const patiently = '--network-family-autoselection-attempt-timeout=2000'
  expect(argsWith(['10.0.0.1 rfa-proxy', '10.0.0.2 rfa-proxy'])).toContain(patiently)
  expect(argsWith(['10.0.0.1 rfa-proxy'])).not.toContain(patiently)
})

test('a program that is not Node gets them as variables, and its command is left alone', () => {
  const { Args, Env } = serviceOf({ command: ['/app/server', '-v'], isPlain: true }).TaskTemplate.ContainerSpec
  expect(Args).toEqual(['/app/server', '-v'])
  expect(Env).toEqual(expect.arrayContaining(['KEY=s3cret', 'BOTH=env', 'PORT=6000']))
})

test('one task, not restarted, at a port of its machine, with time to drain', () => {
  const { Mode, EndpointSpec, TaskTemplate } = serviceOf()
  expect(Mode).toEqual({ Replicated: { Replicas: 1 } })
  expect(EndpointSpec).toEqual({
    Mode: 'dnsrr',
    Ports: [{ Protocol: 'tcp', TargetPort: 6000, PublishMode: 'host' }],
  })
  expect(TaskTemplate.ContainerSpec.StopGracePeriod).toBe(9_000e6)
})

test('the longest route has a name that Swarm takes, and different instances different names', () => {
  const route = 'r'.repeat(100)
  const names = ['a1', 'a2'].map(id => serviceName('project', { route, id }))
  expect(names.map(({ length }) => length)).toEqual([63, 63])
  expect(new Set(names).size).toBe(2)
})

test.each([
  [undefined, []],
  ['role==gpu', ['node.labels.role==gpu']],
  ['zone != eu-1 ,disk==ssd', ['node.labels.zone!=eu-1', 'node.labels.disk==ssd']],
  ['node.role==worker,engine.labels.disk==ssd', ['node.role==worker', 'engine.labels.disk==ssd']],
])('machines are named by label: %s', (nodes, constraints) => {
  expect(constraintsOf(nodes)).toEqual(constraints)
})

test.each(['gpu', 'role=gpu', '==gpu', 'role==', 'role==a b', 'role==a,', ''])('%j names no machines', nodes => {
  const entry = { name: 'pay', packageDir: '.', filePath: 'main.ts', nodes }
  expect(DeployEntry.safeParse(entry).error?.message).toMatch(/must be conditions on labels of machines/)
})
