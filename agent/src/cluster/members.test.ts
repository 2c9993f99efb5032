import { expect, onTestFinished, test } from 'vitest'
import { agentsSubject, type Bus } from '../bus/index.ts'
import { onAgentsBus } from './cluster-testing.ts'
import { Members, newClusterKey, Seal } from './index.ts'

let bus: Bus
onAgentsBus(made => ({ bus } = made))

const seal = new Seal(newClusterKey())
const clock = { ms: 0 }

function member(id: string, docker?: string) {
  const told: string[][] = []
  const members: Members = new Members({
    ...{ bus, seal, now: () => clock.ms },
    self: { id, name: `machine-${id}`, address: `10.0.0.1:${id.length}`, version: '1.0.0', ...(docker && { docker }) },
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

test('one with the same Docker is found if it is there, and not if it was killed or uses another one', async () => {
  const [here, killed, new_] = [member('here', 'a'), member('killed', 'b'), member('new', 'b')]
  const isSame = ({ docker }: { docker?: string | undefined }) => docker === 'b'
  for (const { members } of [here, killed]) await members.step()
  // Time passes with each look.
  const passing = setInterval(() => (clock.ms += 500), 20)
  onTestFinished(() => clearInterval(passing))
  expect(await new_.members.found(isSame)).toBeUndefined()

  const [back, later] = [member('killed', 'b'), member('later', 'b')]
  back.members.start()
  onTestFinished(() => back.members.leave())
  clearInterval(passing)
  await new_.members.leave()
  expect(await later.members.found(isSame)).toMatchObject({ id: 'killed', docker: 'b' })
})

test('what another key sealed, or is none of it, is not taken for an agent', async () => {
  const one = member('one')
  await bus.publish(agentsSubject('member.forged'), Buffer.from('{"id":"forged"}'))
  await expect(one.members.step()).rejects.toMatchObject({ code: 'CLUSTER_KEY_WRONG' })
  expect(one.members.all.map(({ id }) => id)).not.toContain('forged')
})
