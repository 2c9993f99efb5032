import { expect, test } from 'vitest'
import { Scale } from '../../contract/index.ts'
import { Load, wantedInstances } from './load.ts'

const wanted = (load: { inflight?: number; waiting?: number; average?: number }, fields: object = {}) =>
  wantedInstances(
    { inflight: 0, waiting: 0, average: 0, ...load },
    { ...Scale.parse({ max: 10 }), concurrency: 50, ...fields },
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
