import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DeployEntry } from '../contract/index.ts'
import { PlatformClock, type ClockFollower } from './platform-clock.ts'
import { StateStore } from './state/index.ts'

const NOON = '2030-01-01T12:00:00.000Z'
const HOUR = 3_600_000

let home: string
beforeEach(async () => void (home = await mkdtemp(join(tmpdir(), 'rfa-clock-'))))
afterEach(() => rm(home, { recursive: true }))

/** As an agent that starts has it. */
async function start(option: string, { isAdopted = false, followers = [] as ClockFollower[] } = {}) {
  const state = await StateStore.open(join(home, 'state.json'))
  const published: object[] = []
  const changed: string[] = []
  const publish = async () => void published.push(clock.setting!)
  const onChange = (name: string) => changed.push(name)
  const clock = new PlatformClock({ option, isAdopted, followers, state, publish, onChange })
  await clock.begin()
  const move = (to: number, passes = true) => clock.move({ to, passes })
  return { clock, state, published, changed, move }
}

async function deploySchedule(state: StateStore): Promise<void> {
  const config = DeployEntry.parse({ name: 'a', packageDir: '/p', filePath: '/p/a.ts', schedule: [{ every: '1h' }] })
  const built = { version: 1, hash: 'h', dir: '/d', entry: 'e', protocol: 2, createdAt: '', config, language: 'node' }
  const versions = [{ ...built, kind: 'http' as const }]
  const record = { name: 'a', route: 'a', active: 1, nextVersion: 2, versions, subscriptions: {}, pausedSchedules: [] }
  await state.update(next => void (next.deployments['a'] = record))
}

const startOf = (state: StateStore) => Object.values(state.deployment('a')!.subscriptions)[0]

test('a platform without a clock of tests refuses to be set', async () => {
  const { clock, move, published } = await start('system')
  expect(clock.setting).toBeUndefined()
  await expect(move(Date.now() + HOUR)).rejects.toMatchObject({
    code: 'NO_TEST_CLOCK',
    hint: expect.stringContaining('dev --clock'),
  })
  expect(published).toEqual([])
})

test('a clock at a time stands still until it is set forward, and does not go back', async () => {
  const { clock, move, published } = await start(NOON)
  expect(clock.view).toEqual({ kind: 'still', now: NOON })
  await move(Date.parse(NOON) + HOUR)
  await move(Date.parse(NOON) + 2 * HOUR, false)
  expect(clock.view.now).toBe('2030-01-01T14:00:00.000Z')
  expect(published).toMatchObject([
    { serial: 1, passes: true },
    { serial: 2, passes: false },
  ])
  await expect(move(Date.parse(NOON))).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
})

test('one that runs is ahead by as much as it was set forward', async () => {
  const { clock, move } = await start('now')
  const before = clock.now()
  await move(before + HOUR)
  expect(clock.now()).toBeGreaterThanOrEqual(before + HOUR)
  expect(clock.now() - Date.now()).toBeLessThanOrEqual(HOUR)
  expect(clock.view.kind).toBe('running')
})

test('two who set it at once are one after the other', async () => {
  const { clock, move, published } = await start(NOON)
  await Promise.all([move(Date.parse(NOON) + HOUR), move(Date.parse(NOON) + 2 * HOUR)])
  expect(published).toMatchObject([{ serial: 1 }, { serial: 2 }])
  expect(clock.now()).toBe(Date.parse(NOON) + 2 * HOUR)
})

test('the agent that takes over a platform finds its clock where it was', async () => {
  const first = await start(NOON)
  await deploySchedule(first.state)
  await first.move(Date.parse(NOON) + HOUR)
  expect(first.changed).toEqual(['a'])
  const { clock, state } = await start(NOON, { isAdopted: true })
  expect(clock.setting).toEqual(first.clock.setting)
  expect(state.deployment('a')!.subscriptions).toEqual({})
})

test('a platform that starts anew has a new clock, or none, and its schedules start over', async () => {
  const first = await start(NOON)
  await deploySchedule(first.state)
  const second = await start('2029-06-01T00:00:00Z')
  expect(second.clock.setting!.id).toBeGreaterThan(first.clock.setting!.id)
  const start2 = startOf(second.state)!
  expect(start2.from).toEqual({ kind: 'time', time: '2029-06-01T00:00:00.000Z' })
  const third = await start('system')
  expect(third.clock.setting).toBeUndefined()
  const start3 = startOf(third.state)!
  expect(start3.epoch).toBeGreaterThan(start2.epoch)
  expect(Date.parse((start3.from as { time: string }).time)).toBeLessThanOrEqual(Date.now())
  // It has had none before: nothing starts over.
  expect(startOf((await start('system')).state)).toEqual(start3)
})

test('it waits for a dispatcher until its schedules have followed', async () => {
  const asked: string[] = []
  let id = 0
  const answers = [
    async () => Promise.reject(new Error('it is starting')),
    async () => ({}),
    async () => ({ id, serial: 0 }),
    async () => ({ id, serial: 1 }),
  ]
  const follower: ClockFollower = {
    clock: async () => {
      asked.push('')
      return answers[Math.min(asked.length, answers.length) - 1]!()
    },
  }
  const { clock, move } = await start(NOON, { followers: [follower] })
  id = clock.setting!.id
  await move(Date.parse(NOON) + HOUR)
  expect(asked).toHaveLength(answers.length)
})
