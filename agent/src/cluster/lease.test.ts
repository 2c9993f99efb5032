import { expect, test } from 'vitest'
import type { Bus } from '../bus/index.ts'
import type { TestNats } from '../bus/testing/nats-server.ts'
import { breakNext, connected, onAgentsBus } from './cluster-testing.ts'
import { SeededRandom } from '../../test/chaos/seeded-random.ts'
import { Lease, newClusterKey, Seal, type LeaseState } from './index.ts'

let nats: TestNats
let bus: Bus
onAgentsBus(made => ({ nats, bus } = made))

const seal = new Seal(newClusterKey())
/** As agents count by default. */
const LOST_MS = 3_000

/** Agents whose clock only the test moves. */
class Agents {
  ms = 0
  readonly states: Record<string, LeaseState[]> = {}

  make(id: string, own: Bus = bus): Lease {
    const states = (this.states[id] ??= [])
    const self = { id, name: `machine of ${id}`, address: `10.0.0.1:${id.length}` }
    return new Lease({ bus: own, seal, self, now: () => this.ms, onChange: state => states.push(state) })
  }
}

test('the first one leads, and the others know whom they follow', async () => {
  const agents = new Agents()
  const [one, two] = [agents.make('one'), agents.make('two')]
  await one.step()
  await two.step()
  expect(one.state).toEqual({ kind: 'leading', epoch: 1 })
  expect(two.state).toEqual({
    kind: 'following',
    leader: { id: 'one', name: 'machine of one', address: '10.0.0.1:3' },
  })
  expect([one.isHeld, two.isHeld]).toEqual([true, false])
})

test('of two that ask at the same moment one leads', async () => {
  const agents = new Agents()
  const all = [agents.make('one'), agents.make('two'), agents.make('three')]
  await Promise.all(all.map(lease => lease.step()))
  expect(all.filter(({ isHeld }) => isHeld)).toHaveLength(1)
})

test('a leader that does not renew is over before another one begins, and finds out when it wakes', async () => {
  const agents = new Agents()
  const [one, two] = [agents.make('one'), agents.make('two')]
  await one.step()
  await two.step()
  agents.ms += LOST_MS - 1
  await two.step()
  expect([one.isHeld, two.state.kind]).toEqual([true, 'following'])
  agents.ms += 1
  expect(one.isHeld).toBe(false)
  await two.step()
  expect(two.state).toEqual({ kind: 'leading', epoch: 2 })
  await one.step()
  expect(one.state.kind).toBe('deposed')
  agents.ms += LOST_MS
  await one.step()
  expect(one.state.kind).toBe('deposed')
})

test('a renewed lease is not lost, however long it is held', async () => {
  const agents = new Agents()
  const [one, two] = [agents.make('one'), agents.make('two')]
  for (let round = 0; round < 10; round++) {
    agents.ms += LOST_MS - 1
    await one.step()
    await two.step()
  }
  expect([one.isHeld, two.state.kind]).toEqual([true, 'following'])
})

test('a leader that could not renew for long goes on if nobody took its place', async () => {
  const agents = new Agents()
  const one = agents.make('one')
  await one.step()
  agents.ms += 10 * LOST_MS
  expect(one.isHeld).toBe(false)
  await one.step()
  expect([one.isHeld, one.state]).toEqual([true, { kind: 'leading', epoch: 1 }])
})

test('who steps down is followed at once', async () => {
  const agents = new Agents()
  const [one, two] = [agents.make('one'), agents.make('two')]
  await one.step()
  await two.step()
  await one.release()
  expect(one.isHeld).toBe(false)
  await two.step()
  expect(two.state).toEqual({ kind: 'leading', epoch: 2 })
})

test('an agent that was killed has its lease again at once, as another leader', async () => {
  const agents = new Agents()
  await agents.make('one').step()
  const again = agents.make('one')
  await again.step()
  expect(again.state).toEqual({ kind: 'leading', epoch: 2 })
})

test('an acknowledgement that was lost costs nobody the lead', async () => {
  const agents = new Agents()
  const own = await connected(nats)
  const [one, two] = [agents.make('one', own), agents.make('two')]
  breakNext(own, ['unacknowledged'])
  await one.step()
  await one.step()
  expect(one.state.kind).toBe('leading')
  breakNext(own, ['unacknowledged', 'lost'])
  for (let round = 0; round < 4; round++) await one.step()
  await two.step()
  agents.ms += LOST_MS - 1
  await two.step()
  expect([one.isHeld, two.state.kind]).toEqual([true, 'following'])
})

test('an agent with another key does not take part', async () => {
  const agents = new Agents()
  await agents.make('one').step()
  const stranger = new Lease({
    bus,
    seal: new Seal(newClusterKey()),
    self: { id: 'two', name: 'two' },
    onChange: () => undefined,
  })
  await expect(stranger.step()).rejects.toMatchObject({ code: 'CLUSTER_KEY_WRONG' })
  expect(stranger.state.kind).toBe('following')
})

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'never do two lead, whatever sleeps, is killed or is lost (seed %i)',
  async seed => {
    const random = new SeededRandom(seed)
    const next = () => random.next()
    const agents = new Agents()
    const buses = await Promise.all([0, 1, 2].map(() => connected(nats)))
    const leases = buses.map((own, index) => agents.make(`agent-${index}`, own))
    /** Stopped processes, until this time. */
    const asleep = [0, 0, 0]
    let epoch = 0
    for (let round = 0; round < 150; round++) {
      agents.ms += Math.floor(next() * 700)
      const index = Math.floor(next() * 3)
      const event = next()
      if (event < 0.1) asleep[index] = agents.ms + next() * 3 * LOST_MS
      else if (event < 0.15) leases[index] = agents.make(`agent-${index}`, buses[index])
      else if (event < 0.3) breakNext(buses[index]!, [next() < 0.5 ? 'lost' : 'unacknowledged'])
      // The keeper brings another one.
      if (leases[index]!.state.kind === 'deposed') leases[index] = agents.make(`agent-${index}`, buses[index])
      const awake = leases.filter((_, each) => asleep[each]! <= agents.ms && next() < 0.8)
      await Promise.all(awake.map(lease => lease.step()))
      const leaders = leases.filter(({ isHeld }) => isHeld)
      expect(leaders.length, `round ${round}`).toBeLessThan(2)
      for (const { state } of leaders) {
        if (state.kind !== 'leading') continue
        expect(state.epoch).toBeGreaterThanOrEqual(epoch)
        epoch = state.epoch
      }
    }
    // How often it changed hands depends on who is faster at the server.
    expect(epoch).toBeGreaterThan(0)
  },
)
