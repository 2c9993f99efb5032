/** The contract of engines on three machines, and what there is only on several. */
import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ENV } from '@ryo-faas/runtime/protocol'
import { SwarmEngine } from '../../src/engines/swarm/swarm-engine.ts'
import { PORT_LABEL, type SwarmService } from '../../src/engines/swarm/swarm-api.ts'
import { engineContract } from '../engine/engine-contract.ts'
import { addressOf, ask, EngineStage, never, type EngineUnderTest } from '../engine/engine-stage.ts'
import { until } from '../support/until.ts'
import { Machines, type Machine } from '../support/machines.ts'

let machines: Machines
beforeAll(async () => {
  machines = await Machines.start(3)
  await machines.makeSwarm()
})
afterAll(() => machines.stop())

function setUp(home: string): EngineUnderTest {
  const project = `rfat${randomBytes(4).toString('hex')}`
  return {
    has: ['images', 'logs'],
    isolates: true,
    limitsMemory: true,
    make: async () =>
      new SwarmEngine({
        ...{ docker: machines.all[0]!.docker, note: '', project, home },
        sourceOf: async () => ({ kind: 'assemble', nodePath: process.execPath }),
      }),
  }
}

engineContract('swarm', setUp)

interface Node {
  ID: string
  Version: { Index: number }
  Spec: { Labels: Record<string, string>; Availability: string; Role: string }
  Description: { Hostname: string }
}

/** Changes what the swarm knows of a machine. */
async function update({ name }: Machine, change: Partial<Node['Spec']>): Promise<void> {
  const { docker } = machines.all[0]!
  const nodes = (await docker.listNodes()) as Node[]
  const { ID, Version, Spec } = nodes.find(({ Description }) => Description.Hostname === name)!
  await docker.getNode(ID).update({ version: Version.Index, ...Spec, ...change })
}

describe('several machines', () => {
  let stage: EngineStage
  let manager: Machine
  let second: Machine
  let third: Machine
  beforeAll(async () => {
    stage = await EngineStage.make(setUp)
    ;[manager, second, third] = machines.all as [Machine, Machine, Machine]
  })
  afterEach(() => stage.stopInstances())
  afterAll(() => stage.remove())

  const services = async () => (await manager.docker.listServices()).length
  const secrets = async () => (await manager.docker.listSecrets()).length
  const exitOf = async (id: string) => (await stage.exitOf(id)).reason

  test('an instance runs where its function wants to; where nothing fits, the reason is told and nothing left', async () => {
    await update(second, { Labels: { role: 'gpu' } })
    const instances = await Promise.all([1, 2, 3].map(() => stage.start({ nodes: 'role==gpu' })))
    expect(instances.map(addressOf).map(({ host }) => host)).toEqual(Array(3).fill(second.address))
    expect((await stage.start({ nodes: 'role!=gpu, node.role==worker' })).machine).toBe(third.name)
    const before = [await services(), await secrets()]
    const start = stage.start({ nodes: 'role==tpu', secrets: { KEY: 's3cret' } })
    await expect(start).rejects.toMatchObject({
      ...{
        code: 'START_FAILED',
        message: expect.stringMatching(/no machine of the swarm takes probe: no suitable node/),
      },
    })
    expect([await services(), await secrets()]).toEqual(before)
  })

  test('secrets and tokens are not in what the swarm says of a service, and are removed with it', async () => {
    const env = { [ENV.token]: 'a-token', BOTH: 'env' }
    const instance = await stage.start({ env, secrets: { KEY: 's3cret', BOTH: 'not-this' } })
    expect(await ask(instance, '/env')).toMatchObject({ ...env, KEY: 's3cret' })
    const said = JSON.stringify([await manager.docker.listServices(), await manager.docker.listTasks()])
    expect(said).toContain(instance.id)
    for (const hidden of ['s3cret', 'a-token', 'not-this']) expect(said).not.toContain(hidden)
    await stage.engine.stop(instance.id, 0)
    expect([await services(), await secrets()]).toEqual([0, 0])
  })

  test('what was waiting for a machine when its agent died is removed by the next one', async () => {
    const waiting = new AbortController()
    const starting = stage.engine.start(stage.specOf({ nodes: 'role==tpu' }), waiting.signal).catch(() => 'failed')
    await until(async () => (await services()) === 1 || undefined)
    const successor = await stage.under.make()
    await successor.prepare(() => undefined)
    // One that stands by leaves alone what the agent that leads is starting.
    expect(await services()).toBe(1)
    successor.watch(() => undefined)
    await until(async () => (await services()) === 0 || undefined)
    waiting.abort()
    expect(await starting).toBe('failed')
    await successor.close()
  })

  test('the port of an instance that an earlier release started is written on its service by the next agent', async () => {
    const instance = await stage.start({})
    const [found] = (await manager.docker.listServices()) as unknown as SwarmService[]
    const { ID, Version, Spec } = found as Required<SwarmService>
    const { [PORT_LABEL]: port, ...Labels } = Spec.Labels
    await manager.docker.getService(ID).update({ ...Spec, Labels, version: Version.Index })
    const successor = await stage.under.make()
    await successor.prepare(() => undefined)
    // It leads.
    successor.watch(() => undefined)
    await until(async () => {
      const [now] = (await manager.docker.listServices()) as unknown as SwarmService[]
      return now?.Spec.Labels[PORT_LABEL] === port || undefined
    })
    expect(addressOf(instance).port).toBe(Number(port))
    expect(await ask(instance, '/')).toBe('hello')
    await successor.close()
  })

  test('on a machine that is drained, instances end', async () => {
    const { id } = await stage.start({ nodes: `node.hostname==${second.name}` })
    await update(second, { Availability: 'drain' })
    expect(await exitOf(id)).toBe(`ended: the machine ${second.name} gives up its instances`)
    await update(second, { Availability: 'active' })
  })

  test('on a machine that is lost, they have exited, and are not there any more when it is back', async () => {
    const { id } = await stage.start({ nodes: `node.hostname==${third.name}` })
    let changes = 0
    stage.engine.watch(() => changes++)
    await machines.kill(third)
    expect(await exitOf(id)).toBe(`lost: the machine ${third.name} is not responding`)
    await until(async () => changes > 0 || undefined)
    await stage.engine.stop(id, 5_000)
    expect(await stage.stateOf(id)).toBeUndefined()
    await machines.boot(third)
    await until(async () => {
      const nodes = (await manager.docker.listNodes()) as (Node & { Status: { State: string } })[]
      return nodes.every(({ Status }) => Status.State === 'ready') || undefined
    })
    expect(await third.docker.listContainers()).toEqual([])
    const again = await stage.engine.start(stage.specOf({ nodes: `node.hostname==${third.name}` }), never)
    expect(await ask(again, '/')).toBe('hello')
  })
})
