import { describe, expect, it } from 'vitest'
import { Schedule } from '../../../../contract/index.ts'
import type { Occurrence, TriggerEvent } from '../source.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { triggerSourceContract } from '../testing/trigger-source-contract.ts'
import { ScheduleSource } from './schedule-source.ts'
import { SYSTEM_CLOCK } from './system-clock.ts'

const MINUTE = 60_000
const NOON = Date.parse('2026-01-01T12:00:00Z')

triggerSourceContract(() => {
  const clock = new ManualClock(Date.now())
  return {
    source: new ScheduleSource(clock),
    spec: { schedule: Schedule.parse({ cron: '* * * * *', missed: 'all', overlap: 'queue' }) },
    happen: async count => clock.jump(count * MINUTE),
  }
})

/** A schedule that started at noon, in a dispatcher that starts now; calls stay open until `end`. */
async function running(schedule: object, { nowMinutes = 0 } = {}) {
  const clock = new ManualClock(NOON + nowMinutes * MINUTE)
  const offered: Occurrence[] = []
  let open = 0
  const spec = { schedule: Schedule.parse(schedule) }
  const from = { kind: 'time', time: new Date(NOON).toISOString() } as const
  const running = new ScheduleSource(clock).start(
    { spec, from, functionName: 'FN', secrets: {} },
    { epoch: NOON, sequence: NOON },
    {
      slots: () => ({ free: 10 - open, all: 10 }),
      offer: occurrence => {
        open += 1
        offered.push(occurrence)
      },
      refused: () => undefined,
    },
  )
  const end = () => {
    open -= 1
    running.wake()
  }
  await Promise.resolve()
  return { clock, offered, running, end, minutes: () => offered.map(({ sequence }) => (sequence - NOON) / MINUTE) }
}

const EVERY = { cron: '* * * * *' }
const event = (occurrence: Occurrence): Promise<TriggerEvent> => occurrence.event(new AbortController().signal)

describe('what was missed', () => {
  it.each([
    ['once', [5]],
    ['all', [1, 2, 3, 4, 5]],
  ])('missed: %s runs %j', async (missed, minutes) => {
    const { minutes: ran } = await running({ ...EVERY, missed, overlap: 'allow' }, { nowMinutes: 5 })
    expect(ran()).toEqual(minutes)
  })

  it('missed: skip runs what came within the last minute and nothing older', async () => {
    const hourly = { cron: '0 * * * *', missed: 'skip' }
    expect((await running(hourly, { nowMinutes: 61 })).minutes()).toEqual([60])
    const late = await running(hourly, { nowMinutes: 62 })
    expect(late.minutes()).toEqual([])
    late.clock.advance(58 * MINUTE)
    expect(late.minutes()).toEqual([120])
  })

  it('is not left out because calls may not overlap, if each is wanted', async () => {
    const { offered, minutes } = await running({ ...EVERY, missed: 'all', overlap: 'skip' }, { nowMinutes: 5 })
    // The last two are fresh, and come while those before them are running.
    expect(minutes()).toEqual([1, 2, 3])
    expect(new Set(offered.map(({ lane }) => lane)).size).toBe(1)
  })

  it('is one call after a sleep of the machine', async () => {
    const { clock, minutes } = await running({ every: '1m', overlap: 'allow' })
    clock.advance(MINUTE)
    clock.jump(600 * MINUTE)
    expect(minutes()).toEqual([1, 601])
  })
})

describe('calls that overlap', () => {
  it('overlap: skip leaves out what comes while a call is running', async () => {
    const { clock, minutes, end, running: source } = await running(EVERY)
    clock.advance(3 * MINUTE)
    expect(minutes()).toEqual([1])
    end()
    expect(await source.seenUpTo?.()).toBe(NOON + 3 * MINUTE)
    clock.advance(MINUTE)
    expect(minutes()).toEqual([1, 4])
  })

  it.each([
    ['queue', 1],
    ['allow', 3],
  ])('overlap: %s uses %i lanes for three calls', async (overlap, lanes) => {
    const { clock, offered } = await running({ ...EVERY, overlap })
    clock.advance(3 * MINUTE)
    expect(offered).toHaveLength(3)
    expect(new Set(offered.map(({ lane }) => lane)).size).toBe(lanes)
  })
})

it('calls the function: path, body, its name and the time', async () => {
  const { clock, offered } = await running({ ...EVERY, name: 'tick', path: '/jobs?n=1', body: { a: 1 } })
  clock.advance(MINUTE)
  const { body, ...rest } = await event(offered[0]!)
  expect(Buffer.from(body).toString()).toBe('{"a":1}')
  expect(rest).toEqual({
    id: String(NOON + MINUTE),
    time: '2026-01-01T12:01:00.000Z',
    headers: [
      ['x-schedule', 'tick'],
      ['x-scheduled-at', '2026-01-01T12:01:00.000Z'],
    ],
    request: { path: '/jobs?n=1', contentType: 'application/json' },
  })
})

it('is an event for a function with scheduled(event)', async () => {
  const clock = new ManualClock(NOON)
  const offered: Occurrence[] = []
  const spec = { schedule: Schedule.parse({ ...EVERY, name: 'tick' }), isEvent: true } as const
  const from = { kind: 'time', time: new Date(NOON).toISOString() } as const
  new ScheduleSource(clock).start(
    { spec, from, functionName: 'FN', secrets: {} },
    { epoch: NOON, sequence: NOON },
    {
      slots: () => ({ free: 10, all: 10 }),
      offer: occurrence => offered.push(occurrence),
      refused: () => undefined,
    },
  )
  await Promise.resolve()
  clock.advance(MINUTE)
  const { body, request, headers } = await event(offered[0]!)
  expect(request).toEqual({ path: '/.ryo-faas/events/scheduled', contentType: 'application/cloudevents+json' })
  expect(headers).toContainEqual(['x-schedule', 'tick'])
  expect(JSON.parse(Buffer.from(body).toString())).toMatchObject({
    time: '2026-01-01T12:01:00.000Z',
    data: { cron: '* * * * *' },
  })
})

it('without a body nothing says that there is one', async () => {
  const { clock, offered } = await running({ at: '2026-01-01T12:10:00Z' })
  clock.advance(60 * MINUTE)
  expect(offered).toHaveLength(1)
  expect(await event(offered[0]!)).toMatchObject({ body: new Uint8Array(), request: { path: '/' } })
})

it('runs on the clock of the machine', async () => {
  const ran = new Promise<void>(resolve => SYSTEM_CLOCK.at(Date.now() + 5, resolve))
  SYSTEM_CLOCK.at(Date.now(), () => expect.unreachable('it is cancelled'))()
  await ran
})
