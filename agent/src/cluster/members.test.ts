import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { agentsSubject, ensureAgentStreams, type Bus } from '../bus/index.ts'
import { startNats, type TestNats } from '../bus/testing/nats-server.ts'
import { emptied } from './cluster-testing.ts'
import { Members, newClusterKey, Seal } from './index.ts'

let nats: TestNats
let bus: Bus
beforeAll(async () => {
  nats = await startNats()
  bus = await nats.connect()
  await ensureAgentStreams(bus)
})
afterAll(() => nats.stop())
beforeEach(() => emptied(bus))

const seal = new Seal(newClusterKey())
const clock = { ms: 0 }

function member(id: string) {
  const told: string[][] = []
  const members: Members = new Members({
    ...{ bus, seal, now: () => clock.ms },
    self: { id, name: `machine-${id}`, address: `10.0.0.1:${id.length}`, version: '1.0.0' },
    onChange: () => void told.push(members.all.map(({ name }) => name)),
  })
  return { members, told }
}

test('agents see each other, the one that is silent no longer, and the one that leaves at once', async () => {
  const [one, two, three] = [member('one'), member('two'), member('three')]
  await one.members.step()
  for (const { members } of [two, three, one]) await members.step()
  expect(one.told.at(-1)).toEqual(['machine-one', 'machine-three', 'machine-two'])
  expect(one.members.all[0]).toEqual({ id: 'one', name: 'machine-one', address: '10.0.0.1:3', version: '1.0.0' })
  const changes = one.told.length
  await one.members.step()
  expect(one.told).toHaveLength(changes)
  clock.ms += 4_000
  for (const { members } of [three, one]) await members.step()
  clock.ms += 4_000
  await one.members.step()
  expect(one.told.at(-1)).toEqual(['machine-one', 'machine-three'])
  await three.members.leave()
  await one.members.step()
  expect(one.members.all.map(({ id }) => id)).toEqual(['one'])
})

test('what another key sealed, or is none of it, is not taken for an agent', async () => {
  const one = member('one')
  await bus.publish(agentsSubject('member.forged'), Buffer.from('{"id":"forged"}'))
  await expect(one.members.step()).rejects.toMatchObject({ code: 'CLUSTER_KEY_WRONG' })
  expect(one.members.all.map(({ id }) => id)).not.toContain('forged')
})
