import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Instance } from '../../engines/index.ts'
import { pass, worldWith } from './scaler-testing.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

const SCALE = { scale: { idleMs: 1_000, keepMs: 10_000, max: 4 }, concurrency: 50 }

test('an idle instance is frozen after the routes no longer have it, and goes after a while', async () => {
  const world = await worldWith(SCALE)
  await pass(999)
  expect(world.kinds()).toEqual(['running'])
  await pass(2)
  expect([world.kinds(), world.chosen, world.log]).toEqual([['frozen'], [], ['frozen i1']])
  await pass(10_000)
  expect(world.kinds()).toEqual([])
})

test('calls keep it awake, and so does one that goes on', async () => {
  const world = await worldWith(SCALE)
  await pass(900)
  await world.agent.hears({ calls: 1 })
  await pass(900)
  await world.agent.hears({ inflight: 1, calls: 1 })
  await pass(5_000)
  expect(world.kinds()).toEqual(['running'])
  await world.agent.hears({})
  await pass(2_000)
  expect(world.kinds()).toEqual(['frozen'])
})

test('one that says it is busy stays in the routes, and is asked again after another while', async () => {
  const world = await worldWith(SCALE)
  world.mayRest = false
  await pass(1_001)
  expect([world.kinds(), world.chosen]).toEqual([['running'], ['i1']])
  world.mayRest = true
  await pass(1_001)
  expect(world.kinds()).toEqual(['frozen'])
})

test('a call that waits thaws it, once for all that wait, and it is chosen only after that', async () => {
  const world = await worldWith(SCALE)
  await pass(1_001)
  for (let waiting = 1; waiting <= 5; waiting += 1) await world.agent.hears({ waiting })
  expect([world.chosen, world.agent.coldStarts]).toEqual([['i1'], ['thaw']])
  expect(world.log).toEqual(['frozen i1', 'running i1'])
})

test('a hundred first calls get two instances where each takes fifty', async () => {
  const world = await worldWith(SCALE, 0)
  await world.agent.hears({ waiting: 100 })
  await world.agent.hears({ inflight: 100 })
  expect([world.chosen, world.agent.coldStarts]).toEqual([
    ['i1', 'i2'],
    ['new', 'new'],
  ])
})

test('frozen ones wake before others are started, and never more than the most', async () => {
  const world = await worldWith(SCALE)
  await pass(1_001)
  await world.agent.hears({ waiting: 1_000 })
  expect([world.chosen.length, world.agent.coldStarts]).toEqual([4, ['thaw', 'new', 'new', 'new']])
})

test('a queue that is deep for long gets more instances, twice as many each time, and none sleeps while it has calls', async () => {
  const world = await worldWith(SCALE)
  const deep = { calls: 500, waiting: 490, ageMs: 3_000 }
  await world.agent.hears({ inflight: 10, calls: 10 })
  await world.agent.hearsOfQueue({ ...deep, ageMs: 200 })
  expect(world.chosen).toHaveLength(1)
  const awake: number[] = []
  for (let line = 0; line < 3; line += 1) {
    await world.agent.hearsOfQueue(deep)
    awake.push(world.chosen.length)
  }
  expect(awake).toEqual([2, 4, 4])
  await world.agent.hearsOfQueue({ calls: 1 })
  // It waits for another attempt.
  await world.agent.hears({})
  await pass(60_000)
  expect(world.chosen.length).toBeGreaterThan(0)
  await world.agent.hearsOfQueue({ calls: 0 })
  await pass(2_001)
  expect(world.chosen).toEqual([])
})

test('nothing sleeps while a dispatcher is not heard', async () => {
  const world = await worldWith(SCALE)
  await world.agent.loses(true)
  await pass(60_000)
  expect(world.kinds()).toEqual(['running'])
  await world.agent.loses(false)
  await pass(2_001)
  expect(world.kinds()).toEqual(['frozen'])
})

test('a further instance that cannot be had is not tried again at every word of a proxy', async () => {
  const world = await worldWith(SCALE)
  const tries = { count: 0 }
  world.onStart = () => void (tries.count += 1)
  world.canStart = false
  for (let line = 0; line < 5; line += 1) await world.agent.hears({ inflight: 100 })
  expect(tries.count).toBe(1)
  await pass(1_001)
  world.canStart = true
  await world.agent.hears({ inflight: 101 })
  expect(world.chosen).toHaveLength(3)
})

test('a machine that runs all it may starts no more, and says so to calls that find none', async () => {
  const world = await worldWith(SCALE, 0, 2)
  await world.agent.hears({ waiting: 1_000 })
  expect(world.chosen).toHaveLength(2)
  const full = await worldWith(SCALE, 0, 1)
  const other: Instance = { ...full.add(), id: 'other', route: 'other' }
  full.agent.fleet.markReady(other)
  await full.agent.hears({ waiting: 1 })
  expect([full.chosen, full.unavailable]).toEqual([[], 'Fn: this machine runs its 1 instances'])
  // One that is idle makes room.
  await pass(100)
  await full.agent.hears({ waiting: 1 })
  expect([full.chosen.length, full.agent.fleet.ready('other')]).toEqual([1, []])
})

test('they become fewer one by one while there are calls, and all sleep when there are none', async () => {
  const world = await worldWith(SCALE)
  await world.agent.hears({ waiting: 150, inflight: 50 })
  await world.agent.hears({ inflight: 1, calls: 200 })
  expect(world.chosen).toHaveLength(4)
  const awake: number[] = []
  for (let second = 0; second < 6; second += 1) {
    await pass(1_000)
    await world.agent.hears({ inflight: 1, calls: 1 })
    awake.push(world.chosen.length)
  }
  expect(awake).toEqual(awake.toSorted((a, b) => b - a))
  expect(awake.at(-1)).toBe(1)
  await world.agent.hears({})
  await pass(2_001)
  expect(world.chosen).toEqual([])
})

test('what always runs is never frozen', async () => {
  const world = await worldWith({ instances: 2 }, 2)
  await pass(3_600_000)
  expect(world.kinds()).toEqual(['running', 'running'])
})

test('one that does not thaw is replaced', async () => {
  const world = await worldWith(SCALE)
  await pass(1_001)
  world.canThaw = false
  await world.agent.hears({ waiting: 1 })
  expect([world.chosen, world.agent.coldStarts]).toEqual([['i2'], ['new']])
  expect(world.log).toContain('stopped i1')
})

test('a wake that fails tells those who wait why, and the next call tries again', async () => {
  const world = await worldWith(SCALE, 0)
  world.canStart = false
  await world.agent.hears({ waiting: 1 })
  expect(world.unavailable).toBe('Fn did not start: it threw')
  await world.agent.hears({})
  world.canStart = true
  await world.agent.hears({ waiting: 1 })
  expect([world.chosen, world.unavailable]).toEqual([['i1'], undefined])
})

for (const doing of ['freezing', 'waking'] as const) {
  test(`an agent that died at any step of ${doing} is followed by one that wakes, sleeps and forgets nothing`, async () => {
    for (let steps = 0; steps < 15; steps += 1) {
      const world = await worldWith(SCALE)
      if (doing === 'waking') await pass(1_001)
      world.agent.stepsLeft = steps
      if (doing === 'waking') await world.agent.hears({ waiting: 60 })
      else await pass(1_001)
      await world.restart()
      await world.agent.hears({ waiting: 1 })
      expect(world.chosen.length, `after step ${steps}`).toBeGreaterThan(0)
      expect(world.chosen.map(id => world.instances.get(id)?.state.kind)).not.toContain('frozen')
      await world.agent.hears({})
      await pass(4_000)
      expect([world.chosen, new Set(world.kinds())]).toEqual([[], new Set(['frozen'])])
      await pass(12_000)
      expect(world.kinds()).toEqual([])
      expect(world.log.filter(line => line.startsWith('hangs'))).toEqual([])
      world.agent.end()
    }
  })
}
