import { expect, test } from 'vitest'
import { DeployEntry, RyoFaasError, type StartFrom } from '../contract/index.ts'
import type { DeploymentRecord, VersionRecord } from './state/index.ts'
import { restartSchedules, scheduleLines, subscribe, triggersOf, viewTriggers } from './subscriptions.ts'

const NOW: StartFrom = { kind: 'sequence', sequence: 8 }
const now = async () => NOW
const clockMs = Date.parse('2030-01-01T00:00:00Z')
const never = async () => {
  throw new RyoFaasError('STORE_UNAVAILABLE', 'should not be asked')
}

function version(keys: string[]): VersionRecord {
  const config = DeployEntry.parse({ name: 'Desk', packageDir: '/p', filePath: '/p/main.ts', mainProcess: true })
  const triggers = keys.map(key => ({ key, table: 'payments', events: ['new-doc' as const] }))
  const built = { version: 1, hash: 'h', dir: '/d', entry: 'e', protocol: 2, createdAt: '', config }
  return { ...built, kind: 'service', language: 'node', served: { http: [], async: [], triggers } }
}

function record(of: VersionRecord, subscriptions: DeploymentRecord['subscriptions']): DeploymentRecord {
  return {
    ...{ name: 'Desk', route: 'desk', active: 1, nextVersion: 2, instances: 1, versions: [of] },
    ...{ subscriptions, pausedSchedules: [] },
  }
}

test('a new handler starts now, an existing one resumes', async () => {
  const known = { epoch: 5, from: { kind: 'sequence', sequence: 1 } } as const
  const before = record(version(['a']), { a: known })
  const subscriptions = await subscribe({ before, version: version(['a', 'b']), now, clockMs })
  expect(subscriptions).toEqual({ a: known, b: { epoch: expect.any(Number) as number, from: NOW } })
  expect(triggersOf(record(version(['a', 'b']), subscriptions), version(['a', 'b']))).toMatchObject([
    { key: 'a', kind: 'document', filters: [{ table: 'payments', events: ['new-doc'] }], start: known },
    { key: 'b', start: { from: NOW } },
  ])
})

test('the store is not asked if nothing starts, and a removed handler is forgotten', async () => {
  const known = { epoch: 5, from: NOW }
  const before = record(version(['a', 'b']), { a: known, b: known })
  expect(await subscribe({ before, version: version(['a']), now: never, clockMs })).toEqual({ a: known })
})

test('an explicit start applies to all handlers, and is later than all earlier ones whatever the clock says', async () => {
  const epoch = Date.now() + 1_000_000
  const before = record(version(['a']), { a: { epoch, from: NOW } })
  const from: StartFrom = { kind: 'time', time: '2026-01-01T00:00:00.000Z' }
  const start = { epoch: epoch + 1, from }
  expect(await subscribe({ before, version: version(['a', 'b']), from, now: never, clockMs })).toEqual({
    a: start,
    b: start,
  })
})

test('nothing new can start without the store', async () => {
  await expect(subscribe({ before: undefined, version: version(['a']), now: never, clockMs })).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
  })
})

test('a schedule starts when its clock says, and starts over with another clock', async () => {
  const of = { ...version([]), config: DeployEntry.parse({ ...version([]).config, schedule: [{ every: '1h' }] }) }
  const subscriptions = await subscribe({ before: undefined, version: of, now: never, clockMs })
  const first = record(of, subscriptions)
  expect(viewTriggers(first, of, clockMs)).toMatchObject([
    { start: { from: { time: '2030-01-01T00:00:00.000Z' } }, nextAt: '2030-01-01T01:00:00.000Z' },
  ])
  const again = restartSchedules(first, Date.parse('2026-06-01T12:30:00Z'))
  const [trigger] = triggersOf(again, of)
  expect(trigger!.start.from).toEqual({ kind: 'time', time: '2026-06-01T12:30:00.000Z' })
  expect(trigger!.start.epoch).toBeGreaterThan(triggersOf(first, of)[0]!.start.epoch)
})

test('other triggers do not start over with another clock', async () => {
  const known = { a: { epoch: 5, from: NOW } }
  expect(restartSchedules(record(version(['a']), known), clockMs).subscriptions).toEqual(known)
})

test('for a Worker with scheduled(event) a schedule is an event, unless it has a path or a body', async () => {
  const schedule = [{ every: '1h' }, { every: '2h', path: '/report' }, { every: '3h', body: 1 }]
  const config = DeployEntry.parse({ ...version([]).config, schedule })
  const isEvents = async (of: VersionRecord) => {
    const subscriptions = await subscribe({ before: undefined, version: of, now: never, clockMs })
    return triggersOf(record(of, subscriptions), of).map(trigger => 'isEvent' in trigger)
  }
  expect(await isEvents({ ...version([]), config, isScheduled: true })).toEqual([true, false, false])
  expect(await isEvents({ ...version([]), config })).toEqual([false, false, false])
})

test('a handler has a place for each kind of trigger, and the secrets of one travel with none of them', async () => {
  const on = [
    { table: 'payments', events: ['new-doc'] },
    { kind: 'event', type: 'com.example.*' },
    { kind: 'nats', server: 'SERVER', subject: 'orders.>', durable: 'ours' },
    { kind: 'nats', server: 'nats://other', subject: 'stock' },
  ]
  const config = DeployEntry.parse({ name: 'Desk', packageDir: '/p', filePath: '/p/main.ts', on })
  const { served: _, ...desk } = { ...version([]), kind: 'trigger' as const, config }
  const subscriptions = await subscribe({ before: undefined, version: desk, now, clockMs })
  expect(Object.keys(subscriptions)).toEqual(['on', 'on.event', 'on.nats'])
  expect(triggersOf(record(desk, subscriptions), desk)).toMatchObject([
    { kind: 'document', key: 'on', filters: [on[0]], start: { from: NOW } },
    { kind: 'event', key: 'on', filters: [on[1]], start: { from: { kind: 'time' } } },
    { kind: 'nats', key: 'on', filters: [on[2], on[3]], start: { from: { kind: 'time' } } },
  ])
})

test('all schedules are listed, the next one first and those that do not run last', async () => {
  const schedule = [
    { every: '2h' },
    { name: 'first', every: '1h' },
    { name: 'off', every: '10m' },
    { at: '2029-01-01T00:00:00Z' },
  ]
  const of = { ...version([]), config: DeployEntry.parse({ ...version([]).config, schedule }) }
  const subscriptions = await subscribe({ before: undefined, version: of, now: never, clockMs })
  const { key } = scheduleLines([record(of, subscriptions)], clockMs).find(({ label }) => label === 'off')!
  const lines = scheduleLines([{ ...record(of, subscriptions), pausedSchedules: [key] }], clockMs)
  expect(lines.map(({ label, isPaused, nextAt }) => [label, isPaused ?? nextAt])).toEqual([
    ['first', '2030-01-01T01:00:00.000Z'],
    ['every 2h', '2030-01-01T02:00:00.000Z'],
    ['off', true],
    ['at 2029-01-01T00:00:00Z', undefined],
  ])
})
