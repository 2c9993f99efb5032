import type Docker from 'dockerode'
import { expect, test } from 'vitest'
import { writeMissingPorts } from './service-ports.ts'
import { PORT_LABEL } from './swarm-api.ts'
import { toInstance } from './swarm-instance.ts'
import { SwarmView } from './swarm-view.ts'

const LABELS = { 'rfa.instance': 'a', 'rfa.function': 'pay', 'rfa.version': '1' }

/** A swarm of one task. */
class OneTask {
  port: number | undefined
  written: string | undefined

  view(): SwarmView {
    return new SwarmView(this as unknown as Docker, 'rfa')
  }

  listNodes() {
    return [{ ID: 'n1', Description: { Hostname: 'm1' }, Status: { State: 'ready', Addr: '192.0.2.1' } }]
  }

  listTasks() {
    const Ports = [{ TargetPort: 6000, PublishedPort: this.port }]
    return [
      {
        ...{ ID: 't1', ServiceID: 's1', NodeID: 'n1', DesiredState: 'running' },
        Spec: { ContainerSpec: { Labels: LABELS } },
        Status: { Timestamp: '', State: 'running', PortStatus: this.port === undefined ? {} : { Ports } },
      },
    ]
  }

  services() {
    return [{ ID: 's1', CreatedAt: '', Version: { Index: 3 }, Spec: { Name: 'pay', Labels: this.#labels } }]
  }

  listServices({ filters }: { filters: { label: string[] } }) {
    return this.services().filter(({ Spec }) => !filters.label.includes(PORT_LABEL) || PORT_LABEL in Spec.Labels)
  }

  getService(id: string) {
    return {
      inspect: () => this.services().find(({ ID }) => ID === id),
      update: ({ Labels, Name, version }: { Labels: Record<string, string>; Name: string; version: number }) => {
        expect([Name, version]).toEqual(['pay', 3])
        this.written = Labels[PORT_LABEL]
      },
    }
  }

  get #labels(): Record<string, string> {
    return { own: 'kept', ...(this.written !== undefined && { [PORT_LABEL]: this.written }) }
  }
}

async function portSeen(view: SwarmView): Promise<number | undefined> {
  const [seen] = await view.look()
  const state = toInstance(seen!, 'rfa-pay--a')?.state
  return state?.kind === 'running' ? state.address.port : undefined
}

test('a port that the swarm forgets with its leader is remembered', async () => {
  const swarm = new OneTask()
  const view = swarm.view()
  expect(await portSeen(view)).toBeUndefined()
  swarm.port = 32768
  expect(await portSeen(view)).toBe(32768)
  swarm.port = undefined
  expect([await portSeen(view), await portSeen(view)]).toEqual([32768, 32768])
})

test('an agent that never saw it reads it from the service', async () => {
  const swarm = new OneTask()
  swarm.written = '32769'
  expect(await portSeen(swarm.view())).toBe(32769)
})

test('of an instance of an earlier release, which wrote none, the port is written while the swarm knows it', async () => {
  const swarm = new OneTask()
  const docker = swarm as unknown as Docker
  const write = async () => writeMissingPorts(docker, swarm.services(), await swarm.view().look())
  await write()
  expect(swarm.written).toBeUndefined()
  swarm.port = 32770
  await write()
  swarm.port = undefined
  expect([swarm.written, await portSeen(swarm.view())]).toEqual(['32770', 32770])
  // Once written it stays.
  swarm.port = 1
  await write()
  expect(swarm.written).toBe('32770')
})

test.each([
  "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online.",
  'rpc error: code = Unavailable desc = connection error: transport: error while dialing',
  'rpc error: code = Unknown desc = raft: failed to process the request: node lost leader status',
  'rpc error: code = DeadlineExceeded desc = context deadline exceeded',
])('that the managers have no leader is said in plain words: %s', async message => {
  const refusal = Object.assign(new Error(), { statusCode: 503, json: { message } })
  const swarm = Object.assign(new OneTask(), { listTasks: () => Promise.reject(refusal) })
  await expect(swarm.view().look()).rejects.toMatchObject({
    code: 'DOCKER_UNREACHABLE',
    message: "Docker's managers have not chosen a leader yet",
  })
})

test('what a manager refuses for another reason is passed on', async () => {
  const refusal = Object.assign(new Error(), { statusCode: 500, json: { message: 'no space left on device' } })
  const swarm = Object.assign(new OneTask(), { listTasks: () => Promise.reject(refusal) })
  await expect(swarm.view().look()).rejects.toMatchObject({
    code: 'ENGINE_FAILED',
    message: 'listing tasks of the swarm: no space left on device',
  })
})
