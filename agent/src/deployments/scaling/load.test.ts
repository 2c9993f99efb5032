import { expect, test } from 'vitest'
import { Scale } from '../../contract/index.ts'
import { Load, wantedInstances, type LoadFigures } from './load.ts'

const wanted = (load: Partial<LoadFigures>, fields: object = {}) =>
  wantedInstances(
    { inflight: 0, waiting: 0, average: 0, queued: 0, queueAgeMs: 0, ...load },
    { ...Scale.parse({ max: 10 }), concurrency: 50, asyncConcurrency: 20, awake: 1, ...fields },
  )
const line = (inflight: number, { waiting = 0, calls = 0 } = {}) => ({ name: 'a', inflight, waiting, calls })

test('never one instance per call: as many as their concurrency takes', () => {
  expect(wanted({ waiting: 1 })).toBe(1)
  expect(wanted({ waiting: 100 })).toBe(2)
  expect(wanted({ inflight: 50, waiting: 51 })).toBe(3)
  expect(wanted({ waiting: 7 }, { concurrency: 0 })).toBe(1)
})

test('one is added before those that run are full for long, and none for what is over', () => {
  expect(wanted({ inflight: 40, average: 36 })).toBe(2)
  expect(wanted({ inflight: 40, average: 34 })).toBe(1)
  expect(wanted({ average: 1 })).toBe(1)
  expect(wanted({})).toBe(0)
})

test('calls that wait in the queue for long double the instances, up to the calls that can run', () => {
  const deep = { inflight: 20, queued: 500, queueAgeMs: 1_000 }
  expect([1, 2, 4, 8].map(awake => wanted(deep, { awake }))).toEqual([2, 4, 8, 10])
  expect(wanted(deep, { awake: 8, asyncConcurrency: 9 })).toBe(9)
  expect(wanted({ inflight: 1, queued: 1, queueAgeMs: 60_000 }, { awake: 2 })).toBe(2)
  expect(wanted(deep, { awake: 2, concurrency: 0 })).toBe(4)
  // They do not wait long: none is added, and none of those that work them off goes.
  expect(wanted({ ...deep, queueAgeMs: 999 }, { awake: 3 })).toBe(3)
  // The call itself wakes the first one.
  expect(wanted({ queued: 5, queueAgeMs: 60_000 }, { awake: 0 })).toBe(0)
})

test('the bounds hold', () => {
  expect(wanted({}, { min: 2 })).toBe(2)
  expect(wanted({ waiting: 10_000 })).toBe(10)
})

test('several proxies are added up; one that is lost counts as busy now, with nothing in flight', () => {
  const load = new Load(0)
  load.note('p1', line(3), 10)
  load.note('p2', line(4, { waiting: 2 }), 10)
  expect(load.figures(10)).toMatchObject({ inflight: 7, waiting: 2 })
  load.note('p1', line(0), 20)
  load.forget('p2', 50)
  expect(load.figures(50)).toMatchObject({ inflight: 0, waiting: 0 })
  expect([load.idleMs(50), load.idleMs(80)]).toEqual([0, 30])
})

test('it is idle since its last call ended, and not while one goes on', () => {
  const load = new Load(0)
  expect(load.idleMs(100)).toBe(100)
  load.note('p', line(1, { calls: 1 }), 100)
  expect(load.idleMs(5_000)).toBe(0)
  load.note('p', line(0), 6_000)
  expect(load.idleMs(6_500)).toBe(500)
  // It began and ended between two lines.
  load.note('p', line(0, { calls: 1 }), 7_000)
  expect(load.idleMs(7_000)).toBe(0)
  load.note('p', line(0), 8_000)
  expect(load.idleMs(8_000)).toBe(1_000)
})

test('it is not idle while its queue has calls, though none is in flight; dispatchers see the same queue', () => {
  const load = new Load(0)
  const queue = (calls: number, waiting = 0, ageMs = 0) => ({ name: 'a', calls, waiting, ageMs })
  load.noteQueue('d1', queue(8, 7, 2_000), 100)
  load.noteQueue('d2', queue(5, 4, 2_500), 200)
  expect(load.figures(300)).toMatchObject({ inflight: 0, queued: 7, queueAgeMs: 2_500 })
  load.noteQueue('d1', queue(0), 400)
  expect(load.idleMs(9_000)).toBe(0)
  load.noteQueue('d2', queue(0), 10_000)
  expect([load.idleMs(10_500), load.figures(10_500).queued]).toEqual([500, 0])
})

test('the most at a time is that since it was last asked for', () => {
  const load = new Load(0)
  load.note('p', line(3, { waiting: 4 }), 10)
  load.note('p', line(2), 20)
  expect(load.takePeak(30)).toMatchObject({ inflight: 7, waiting: 0 })
  expect(load.takePeak(30)).toMatchObject({ inflight: 2, waiting: 0 })
})

test('the average is that of the last two seconds', () => {
  const load = new Load(0)
  load.note('p', line(10), 0)
  expect(load.figures(1_000).average).toBe(5)
  load.note('p', line(20), 2_000)
  expect(load.figures(3_000).average).toBe(15)
  load.note('p', line(0), 3_000)
  expect(load.figures(4_000).average).toBe(10)
  expect(load.figures(6_000).average).toBe(0)
})
