/** Schedules through a real dispatcher: each time is a call, with its retries, states and dead letters. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { listCalls } from '../../../../calls/index.ts'
import type { Dispatcher } from '../../dispatcher.ts'
import { SeededRandom } from '../../../../../test/chaos/seeded-random.ts'
import { Stage, until, type Received, type TestServer } from '../../dispatcher-testing.ts'
import { readCheckpoint } from '../checkpoint.ts'
import { TRIGGER_SOURCES } from '../registry.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { ScheduleSource } from './schedule-source.ts'

const NOON = Date.parse('2026-01-01T12:00:00Z')
const EVERY_MINUTE = {
  key: 'schedule-1',
  kind: 'schedule',
  schedule: { cron: '* * * * *', missed: 'all', overlap: 'queue', body: { job: 1 } },
  start: { epoch: 1, from: { kind: 'time', time: new Date(NOON).toISOString() } },
} as const
let stage: Stage
let clock: ManualClock

beforeEach(async () => {
  stage = await Stage.open()
  clock = new ManualClock(NOON)
})
afterEach(() => stage.end())

const dispatcher = (proxy: TestServer): Promise<Dispatcher> =>
  stage.dispatcher(proxy, {}, { ...TRIGGER_SOURCES, schedule: () => new ScheduleSource(clock) })

const minuteOf = ({ headers }: Received): number => (Date.parse(String(headers['x-scheduled-at'])) - NOON) / 60_000

it('runs each time as a call, in order, with its retries and states, and under its own label', async () => {
  let failures = 2
  const proxy = await stage.server((_request, response) => response.writeHead(failures-- > 0 ? 500 : 204).end())
  await stage.deploy({ triggers: [EVERY_MINUTE] })
  const { port } = await dispatcher(proxy)
  clock.advance(120_000)
  await until(() => proxy.received.length === 4, 'both ran')
  expect(proxy.received.map(minuteOf)).toEqual([1, 1, 1, 2])
  const [first] = proxy.received
  expect(first).toMatchObject({ method: 'POST', url: '/functions/fn/', attempt: 1 })
  expect(first!.headers).toMatchObject({ 'content-type': 'application/json', 'x-schedule': '* * * * *' })
  expect(first!.body.toString()).toBe('{"job":1}')
  expect(await stage.final(first!.callId)).toMatchObject({
    status: 'succeeded',
    acceptedAt: '2026-01-01T12:01:00.000Z',
    attempts: [{ outcome: 500 }, { outcome: 500 }, { outcome: 204 }],
  })
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  expect(metrics).toMatch(/^faas_invocations_total\{faas_name="FN",faas_trigger="timer",\S*"2xx"\} 2$/m)
})

it('makes a call that always fails a dead letter, and continues after it', async () => {
  const proxy = await stage.server((request, response) => response.writeHead(minuteOf(request) === 1 ? 500 : 204).end())
  await stage.deploy({ triggers: [EVERY_MINUTE], async: { attempts: 2 } })
  await dispatcher(proxy)
  clock.advance(120_000)
  await until(() => proxy.received.length === 3, 'the second ran')
  expect(await stage.final(proxy.received[0]!.callId)).toMatchObject({ status: 'dead' })
})

it('catches up after a restart, and runs nothing twice', async () => {
  const proxy = await stage.server()
  await stage.deploy({ triggers: [EVERY_MINUTE] })
  const first = await dispatcher(proxy)
  clock.advance(180_000)
  await until(() => proxy.received.length === 3, 'three ran')
  await first.close()
  clock.advance(120_000)
  await dispatcher(proxy)
  await until(() => proxy.received.length >= 5, 'the others ran')
  expect(proxy.received.map(minuteOf)).toEqual([1, 2, 3, 4, 5])
})

it('is one call for each time when two dispatchers believe that it is theirs', async () => {
  const proxy = await stage.server()
  await stage.deploy({ triggers: [EVERY_MINUTE] })
  await Promise.all([dispatcher(proxy), dispatcher(proxy)])
  for (let minute = 1; minute <= 20; minute += 1) clock.advance(60_000)
  await until(async () => (await listCalls(stage.bus, { limit: 100 })).calls.length === 20, 'all are known')
  await until(async () => {
    const { calls } = await listCalls(stage.bus, { limit: 100 })
    return calls.every(({ status }) => status === 'succeeded')
  }, 'all ended')
  expect((await listCalls(stage.bus, { limit: 100 })).calls).toHaveLength(20)
})

it('works next to a document trigger, each with its own checkpoint', async () => {
  const proxy = await stage.server()
  const onDocuments = {
    key: 'on',
    kind: 'document',
    filters: [{ table: 'payments', events: ['updated-doc'] }],
    start: { epoch: 1, from: { kind: 'sequence', sequence: 1 } },
  } as const
  await stage.deploy({ triggers: [EVERY_MINUTE, onDocuments] })
  await dispatcher(proxy)
  clock.advance(60_000)
  await stage.change()
  await until(() => proxy.received.length === 2, 'both ran')
  const checkpoint = async (name: string) => (await readCheckpoint(stage.bus, name))?.checkpoint.sequence
  await until(async () => (await checkpoint('fn.on')) === 1, 'that of the documents is kept')
  await until(
    async () => (await checkpoint('fn.schedule-1.schedule')) === NOON + 60_000,
    'that of the schedule is kept',
  )
  expect((await listCalls(stage.bus, { limit: 10 })).calls).toHaveLength(2)
})

it('reports a trigger with an unknown kind or fields, and runs the others', async () => {
  const proxy = await stage.server()
  await stage.deploy({
    triggers: [
      EVERY_MINUTE,
      { ...EVERY_MINUTE, key: 'moon', kind: 'moon' },
      { ...EVERY_MINUTE, key: 'off', schedule: { cron: 'never' } },
    ],
  })
  await dispatcher(proxy)
  clock.advance(60_000)
  await until(() => proxy.received.length === 1, 'the schedule ran')
  const failed = stage.events.filter(event => event.type === 'trigger-failed')
  expect(failed).toMatchObject([
    { functionName: 'FN', handler: 'moon', reason: expect.stringContaining('"moon"') },
    { functionName: 'FN', handler: 'off', reason: expect.stringContaining('cron') },
  ])
})

/** The minutes that were called, with the clock of tests of the platform. */
async function onTestClock({ missed = 'once', overlap = 'skip' }: { missed?: string; overlap?: string } = {}) {
  const proxy = await stage.server()
  const trigger = { ...EVERY_MINUTE, schedule: { ...EVERY_MINUTE.schedule, missed, overlap } }
  stage.clock = { id: 1, serial: 0, kind: 'still', ms: NOON, passes: false }
  await stage.deploy({ triggers: [trigger] })
  const start = async (server = proxy) => {
    const dispatcher = await stage.dispatcher(server)
    await until(async () => (await stage.control.clock()).id === 1, 'it has the clock')
    return dispatcher
  }
  /** Resolves once the dispatcher that was started last has followed. */
  const set = async (minutes: number, passes: boolean, { isFollowed = true } = {}) => {
    const serial = stage.clock!.serial + 1
    stage.clock = { ...stage.clock!, serial, ms: NOON + minutes * 60_000, passes }
    await stage.deploy({ triggers: [trigger] })
    if (isFollowed) await until(async () => (await stage.control.clock()).serial === serial, 'it has followed')
  }
  return { start, set, minutes: () => proxy.received.map(minuteOf) }
}

it('calls at each time that a clock of tests passes, also of a trigger that has just been deployed', async () => {
  const { start, set, minutes } = await onTestClock()
  await start()
  await set(5, true)
  expect(minutes()).toEqual([1, 2, 3, 4, 5])
  await set(6, true)
  expect(minutes()).toEqual([1, 2, 3, 4, 5, 6])
})

it.each([
  ['once', [5]],
  ['skip', [5]],
  ['all', [1, 2, 3, 4, 5]],
])('does what "missed" says when a clock of tests is set: %s', async (missed, expected) => {
  const { start, set, minutes } = await onTestClock({ missed, overlap: 'queue' })
  await start()
  await set(5, false)
  await until(() => minutes().length >= expected.length, 'they ran')
  expect(minutes()).toEqual(expected)
})

it('finds a clock of tests where it was after a restart, and calls once for what was missed', async () => {
  const { start, set, minutes } = await onTestClock()
  const first = await start()
  await set(2, true)
  await first.close()
  // While no dispatcher runs: it is on disk for the next.
  await set(10, true, { isFollowed: false })
  await start()
  await until(() => minutes().length === 3, 'the last time ran')
  expect(minutes()).toEqual([1, 2, 10])
  expect(await stage.control.clock()).toMatchObject({ id: 1, serial: 2 })
})

it('goes on when a call takes longer than a clock of tests waits; with "overlap": "skip" its times are left out', async () => {
  const { start, set } = await onTestClock()
  const slow = await stage.server((_request, response) => void open.push(() => response.end()))
  const open: (() => void)[] = []
  await start(slow)
  await set(30, true)
  expect(slow.received.map(minuteOf)).toEqual([1])
  open.forEach(end => end())
})

it('is one call for each time while two dispatchers race for it and both, and the bus, are killed', async () => {
  const random = new SeededRandom(Number(process.env['CHAOS_SEED'] ?? 17))
  const proxy = await stage.server()
  const schedule = { cron: '* * * * * *', missed: 'all', overlap: 'queue' }
  const from = { kind: 'time', time: new Date().toISOString() } as const
  const trigger = { ...EVERY_MINUTE, schedule, start: { epoch: 1, from } }
  await stage.deploy({ triggers: [trigger], async: { attempts: 20 } })
  // Each believes that it is alone.
  const racing = [await stage.process(proxy), await stage.process(proxy)]
  const times = () => new Set(proxy.received.map(({ headers }) => Date.parse(String(headers['x-scheduled-at']))))
  const more = async (count: number) => {
    const wanted = times().size + count
    await until(() => times().size >= wanted, 'the next times ran')
  }
  await more(1)
  for (const victim of random.shuffled([0, 1, 'bus'] as const)) {
    if (victim === 'bus') {
      await stage.nats.kill()
      await stage.nats.start()
    } else {
      racing[victim]!.kill('SIGKILL')
      racing[victim] = await stage.process(proxy)
    }
    await more(2)
  }
  const seen = [...times()].sort((a, b) => a - b)
  expect(seen).toEqual(seen.map((_, index) => seen[0]! + index * 1_000))
  const calls = seen.map(at => {
    const own = proxy.received.filter(({ headers }) => Date.parse(String(headers['x-scheduled-at'])) === at)
    return new Set(own.map(({ callId }) => callId)).size
  })
  expect(calls).toEqual(seen.map(() => 1))
})
