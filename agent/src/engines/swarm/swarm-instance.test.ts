import { expect, test } from 'vitest'
import { LEAVING_LABEL, platformHosts, type SwarmTask } from './swarm-api.ts'
import { toInstance } from './swarm-instance.ts'

const TIME = '2026-01-01T00:00:00Z'
const PORTS = { PortStatus: { Ports: [{ TargetPort: 6000, PublishedPort: 32768 }] } }

function seen(status: Partial<SwarmTask['Status']>, { desired = 'running', node = 'ready' } = {}) {
  const task: SwarmTask = {
    ...{ ID: 't1', ServiceID: 's1', NodeID: 'n1', CreatedAt: TIME, DesiredState: desired },
    Spec: { ContainerSpec: {}, Resources: { Limits: { MemoryBytes: 128 * 1024 * 1024 } } },
    Status: { Timestamp: TIME, State: 'running', Message: 'started', ...PORTS, ...status },
  }
  const machine = { ID: 'n1', Description: { Hostname: 'm1' }, Status: { State: node, Addr: '192.0.2.1' } }
  return { is: { id: 'a', route: 'pay', version: 1 }, task, node: machine }
}
const stateOf = (...parts: Parameters<typeof seen>) => toInstance(seen(...parts), 'rfa-pay--a')?.state
const exited = (code: number | null, reason: string | RegExp) => ({
  ...{ kind: 'exited', at: TIME, code },
  reason: typeof reason === 'string' ? reason : (expect.stringMatching(reason) as string),
})
const ended = (ExitCode: number) => ({ State: 'failed', ContainerStatus: { ExitCode, PID: 0 } })

test('a running task is reached at the port of its machine', () => {
  expect(toInstance(seen({}), 'rfa-pay--a')).toMatchObject({ id: 'a', name: 'rfa-pay--a', machine: 'm1' })
  expect(stateOf({})).toEqual({ kind: 'running', address: { host: '192.0.2.1', port: 32768 } })
})

test.each(['pending', 'assigned', 'preparing', 'starting'])('one that is %s is not listed yet', State => {
  expect(stateOf({ State, PortStatus: {} })).toBeUndefined()
})

test('neither is one without a port, nor one that was stopped', () => {
  expect([stateOf({ PortStatus: {} }), stateOf({}, { desired: 'remove' })]).toEqual([undefined, undefined])
})

test('one that ended says how', () => {
  expect(stateOf(ended(7))).toEqual(exited(7, 'exited with code 7'))
  expect(stateOf({ ...ended(0), State: 'complete' })).toEqual(exited(0, 'exited with code 0'))
  expect(stateOf(ended(139))).toEqual(exited(139, 'killed by signal 11'))
  expect(stateOf(ended(137))).toEqual(exited(137, /out of memory \(limit 128 MB\)/))
})

test('one that could not be started says why', () => {
  expect(stateOf({ State: 'rejected', Message: 'preparing', Err: 'No such image' })).toMatchObject({
    ...{ kind: 'exited', reason: 'No such image' },
  })
})

test('one on a machine that is lost has exited, whatever was last heard of it', () => {
  expect(stateOf({}, { node: 'down' })).toEqual(exited(null, /the machine m1 is not responding/))
  expect(stateOf({ State: 'starting' }, { node: 'down' })).toMatchObject({ kind: 'exited' })
})

test('one on a machine that was removed from the swarm has exited', () => {
  const { node: _, ...rest } = seen({})
  expect(toInstance({ ...rest, node: undefined }, 'rfa-pay--a')?.state).toEqual(
    exited(null, /not in the swarm any more/),
  )
})

test('one on a machine that is being drained counts as exited, so that another takes its place', () => {
  expect(stateOf({}, { desired: 'shutdown' })).toEqual(exited(null, /m1 gives up its instances/))
})

test('one that an agent on another machine started is known by where it looks for the platform', () => {
  const { task, ...rest } = seen({})
  const Hosts = ['10.0.0.1 rfa-proxy']
  const started = { ...rest, task: { ...task, Spec: { ContainerSpec: { Hosts } } } }
  expect(toInstance(started, 'rfa-pay--a', '10.0.0.1 rfa-proxy')).not.toHaveProperty('isStranded')
  expect(toInstance(started, 'rfa-pay--a', '10.0.0.2 rfa-proxy')).toMatchObject({ isStranded: true })
  expect(toInstance(started, 'rfa-pay--a')).not.toHaveProperty('isStranded')
})

test('one that looks for the platform on all machines where it can be led from is not stranded by another leader', () => {
  const nodeAt = (Addr: string, isManager: boolean) => ({
    ...{ ID: Addr, Description: { Hostname: Addr }, Status: { State: 'ready', Addr } },
    ...(isManager && { ManagerStatus: { Addr: `${Addr}:2377` } }),
  })
  const nodes = [
    nodeAt('10.0.0.3', true),
    nodeAt('10.0.0.1', true),
    nodeAt('10.0.0.2', true),
    nodeAt('10.0.0.4', false),
  ]
  const Hosts = platformHosts('10.0.0.2', nodes, 'rfa-proxy')
  expect(Hosts).toEqual(['10.0.0.2 rfa-proxy', '10.0.0.1 rfa-proxy', '10.0.0.3 rfa-proxy'])
  expect(platformHosts('10.0.0.2', [], 'rfa-proxy')).toEqual(['10.0.0.2 rfa-proxy'])
  const { task, ...rest } = seen({})
  const started = { ...rest, task: { ...task, Spec: { ContainerSpec: { Hosts } } } }
  const [other] = platformHosts('10.0.0.3', nodes, 'rfa-proxy')
  expect(toInstance(started, 'rfa-pay--a', other)).not.toHaveProperty('isStranded')
})

test('one on a machine that is about to leave runs, and says so', () => {
  const { node, ...rest } = seen({})
  const leaving = { ...node, Spec: { Labels: { [LEAVING_LABEL]: 'true' } } }
  expect(toInstance({ ...rest, node: leaving }, 'rfa-pay--a')).toMatchObject({
    ...{ isLeaving: true, state: { kind: 'running' } },
  })
  expect(toInstance(seen({}), 'rfa-pay--a')).not.toHaveProperty('isLeaving')
})
