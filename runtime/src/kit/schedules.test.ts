import { describe, expect, it } from 'vitest'
import { context } from '../context.ts'
import { store } from '../store.ts'
import { testFunction, type ScheduleSpec } from './index.ts'

const MINUTE = 60_000
const NOON = '2026-01-01T12:00:00.000Z'
const quiet = { quiet: true } as const

/** A function that notes when it was called for, on a clock that stands still. */
async function noted(schedule: ScheduleSpec | readonly ScheduleSpec[], at = NOON) {
  const times: string[] = []
  const handler = (request: Request): Response => {
    times.push(request.headers.get('x-scheduled-at')!)
    return new Response()
  }
  const app = await testFunction(handler, { schedule, clock: { at } })
  return { app, times }
}

/** A function whose calls stay open until the test ends them. */
async function held(schedule: ScheduleSpec) {
  const open: (() => void)[] = []
  let started = 0
  const handler = async (): Promise<Response> => {
    started += 1
    await new Promise<void>(resolve => open.push(resolve))
    return new Response()
  }
  const app = await testFunction(handler, { schedule, clock: { at: NOON } })
  return { app, started: () => started, end: () => open.splice(0).forEach(resolve => resolve()) }
}

describe('a clock that is advanced', () => {
  it('calls once for each time that it comes to, at that time', async () => {
    const seen: unknown[] = []
    const handler = async (request: Request): Promise<Response> => {
      const { callId, attempt } = context()
      const [schedule, at] = ['x-schedule', 'x-scheduled-at'].map(name => request.headers.get(name))
      const { createdAt } = await store('reports').create({ at })
      seen.push([schedule, at === createdAt, request.method, new URL(request.url).search, await request.json()])
      expect([typeof callId, attempt]).toEqual(['string', 1])
      return new Response()
    }
    const nightly = { name: 'nightly', cron: '0 2 * * *', path: '/?full=1', body: { part: 'all' } }
    await using app = await testFunction(handler, { schedule: nightly, clock: { at: NOON } })
    await app.clock.advance(13 * 60 * MINUTE)
    expect(seen).toEqual([])
    await app.clock.advance(48 * 60 * MINUTE)
    expect(seen).toEqual(Array(2).fill(['nightly', true, 'POST', '?full=1', { part: 'all' }]))
    const { documents } = await app.store<{ at: string }>('reports').query()
    expect(documents.map(({ data }) => data.at)).toEqual(['2026-01-02T02:00:00.000Z', '2026-01-03T02:00:00.000Z'])
  })

  it('keeps several schedules in their order: intervals from the start, and once', async () => {
    const { app, times } = await noted([{ every: '20m' }, { at: '2026-01-01T13:30:00+01:00' }])
    await app.clock.advance(60 * MINUTE)
    await app.clock.advance(0)
    expect(times.map(time => time.slice(11, 16))).toEqual(['12:20', '12:30', '12:40', '13:00'])
    await app.close()
    await app.clock.advance(60 * MINUTE)
    expect(times).toHaveLength(4)
  })

  it('goes by the zone: what is skipped in spring runs once, then', async () => {
    const { app, times } = await noted({ cron: '30 2 * * *', zone: 'Europe/Berlin' }, '2026-03-28T12:00:00Z')
    await app.clock.advance(2 * 24 * 60 * MINUTE)
    // When three o'clock comes after two.
    expect(times).toEqual(['2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z'])
  })

  it('takes years at once', async () => {
    const { app, times } = await noted({ cron: '0 0 29 2 *' })
    await app.clock.advance(1_000 * 24 * 60 * MINUTE)
    expect(times).toEqual(['2028-02-29T00:00:00.000Z'])
  })
})

describe('what was missed while the clock slept', () => {
  it.each([
    ['once', ['17:00']],
    ['skip', []],
    ['all', ['13:00', '14:00', '15:00', '16:00', '17:00']],
  ] as const)('%s', async (missed, expected) => {
    const { app, times } = await noted({ cron: '0 * * * *', missed })
    await app.clock.sleep(330 * MINUTE)
    await app.settled()
    expect(times.map(time => time.slice(11, 16))).toEqual(expected)
    await app.clock.advance(30 * MINUTE)
    expect(times.at(-1)).toContain('18:00')
  })
})

describe('a call that is still running at the next time', () => {
  it('keeps it from being called, with "skip"', async () => {
    const { app, started, end } = await held({ every: '1m' })
    await app.clock.advance(3 * MINUTE)
    expect(started()).toBe(1)
    end()
    await app.settled()
    await app.clock.advance(MINUTE)
    expect(started()).toBe(2)
    end()
    await app.close()
  })

  it('is followed by the next, with "queue", and accompanied, with "allow"', async () => {
    const queued = await held({ every: '1m', overlap: 'queue' })
    await queued.app.clock.advance(3 * MINUTE)
    expect(queued.started()).toBe(1)
    const beside = await held({ every: '1m', overlap: 'allow' })
    await beside.app.clock.advance(3 * MINUTE)
    expect(beside.started()).toBe(3)
    beside.end()
    await beside.app.close()
    const settled = queued.app.settled()
    const ends = setInterval(() => queued.end(), 1)
    await settled
    clearInterval(ends)
    expect(queued.started()).toBe(3)
  })
})

it('a call that fails is tried again as often as the test says, and then settled() rejects', async () => {
  let count = 0
  const handler = (): Response => {
    count += 1
    throw new Error(`no ${count}`)
  }
  const app = await testFunction(handler, { schedule: { every: '1m' }, clock: { at: NOON }, retries: 2, ...quiet })
  await app.clock.advance(MINUTE)
  await expect(app.close()).rejects.toThrow('no 3')
  expect(count).toBe(3)
})

it('a clock that runs calls when the time has come', async () => {
  let called = (): void => undefined
  const isCalled = new Promise<void>(resolve => (called = resolve))
  const handler = (): Response => {
    called()
    return new Response()
  }
  const app = await testFunction(handler, { schedule: { every: '1s' } })
  await isCalled
  await app.close()
})

it.each([
  [{}, 'exactly one of'],
  [{ cron: '* * * * *', every: '1m' }, 'exactly one of'],
  [{ cron: '61 * * * *' }, 'cron expression such as'],
  [{ every: '10 minutes' }, 'such as "10m", not "10 minutes"'],
  [{ at: '2027-01-31' }, 'with its offset'],
  [{ cron: '* * * * *', zone: 'Europe/Atlantis' }, 'IANA time zone'],
  [{ every: '1m', path: 'x' }, 'must begin with "/"'],
])('what a deploy would refuse is refused: %j', async (schedule, message) => {
  await expect(testFunction(() => new Response(), { schedule })).rejects.toThrow(message)
})

describe('a Worker', () => {
  it('gets its schedules as scheduled(event), with retries; one with a path or a body is a request', async () => {
    const ran: unknown[] = []
    let failures = 1
    const worker = {
      fetch: (request: Request) => {
        ran.push(new URL(request.url).pathname)
        return new Response()
      },
      async scheduled(event: { cron: string; scheduledTime: number }, env: Record<string, string>, ctx: object) {
        ran.push([event.cron, event.scheduledTime, env['WHO'], 'waitUntil' in ctx])
        if (failures-- > 0) throw new Error('not yet')
      },
    }
    await using app = await testFunction(worker, {
      ...quiet,
      retries: 1,
      env: { WHO: 'me' },
      schedule: [{ cron: '0 13 * * *' }, { every: '90m' }, { cron: '0 14 * * *', path: '/report' }],
      clock: { at: NOON },
    })
    await app.clock.advance(120 * MINUTE)
    const first = ['0 13 * * *', Date.parse(NOON) + 60 * MINUTE, 'me', true]
    expect(ran).toEqual([first, first, ['every 90m', Date.parse(NOON) + 90 * MINUTE, 'me', true], '/report'])
  })
})
