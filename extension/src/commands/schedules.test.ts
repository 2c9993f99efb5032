import { expect, test } from 'vitest'
import type { DeploymentView } from 'ryo-faas/contract'
import { deploymentView } from '../testing/views-of-platform.ts'
import type { Parts } from './command.ts'
import { pauseSchedule, resumeSchedule, runSchedule } from './schedules.ts'

const schedule = { cron: '0 9 * * *', zone: 'UTC', missed: 'once', overlap: 'skip', path: '/' } as const
const start = { epoch: 1, from: { kind: 'time', time: '2026-01-01T00:00:00Z' } } as const
const at = { kind: 'schedule', start, schedule } as const
const TWO = [
  { ...at, key: 'a', label: 'one' },
  { ...at, key: 'b', label: 'two', isPaused: true },
]

function stage(triggers: DeploymentView['triggers'] = TWO) {
  const called: unknown[] = []
  const asked: string[] = []
  const deployment = deploymentView({ name: 'Jobs', triggers })
  const client = { call: async (name: string, input: object) => void called.push([name, input]) }
  const parts = {
    link: { refresh: async () => undefined, snapshot: {}, deployment: () => deployment, client: async () => client },
    ui: {
      progress: (_title: string, run: (progress: object) => unknown) => run({ signal: new AbortController().signal }),
      say: () => undefined,
      pick: async (items: { label: string }[]) => {
        asked.push(...items.map(({ label }) => label))
        return items.at(-1)
      },
    },
  } as unknown as Parts
  const row = (key: string) => ({ subject: { kind: 'schedule', name: 'Jobs', key } })
  return { parts, called, asked, row }
}

test('the schedule of a row is paused, resumed and run', async () => {
  const { parts, called, asked, row } = stage()
  await pauseSchedule.run(parts, row('a'))
  await resumeSchedule.run(parts, row('b'))
  await runSchedule.run(parts, row('b'))
  expect(called).toEqual([
    ['pause', { params: { name: 'Jobs', key: 'a' }, body: { isPaused: true } }],
    ['pause', { params: { name: 'Jobs', key: 'b' }, body: { isPaused: false } }],
    ['runSchedule', { params: { name: 'Jobs', key: 'b' } }],
  ])
  expect(asked).toEqual([])
})

test('without a row only those are offered that can be meant', async () => {
  const { parts, called, asked } = stage()
  await pauseSchedule.run(parts, 'Jobs')
  await resumeSchedule.run(parts, 'Jobs')
  expect(asked).toEqual([])
  await runSchedule.run(parts, 'Jobs')
  expect(asked).toEqual(['one', 'two'])
  expect(called).toHaveLength(3)
})

test('a function without such a schedule says so', async () => {
  const { parts, called } = stage([])
  await expect(runSchedule.run(parts, 'Jobs')).rejects.toMatchObject({ code: 'HANDLER_NOT_FOUND' })
  expect(called).toEqual([])
})
