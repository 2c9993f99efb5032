import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Demand } from '../control/proxy-control.ts'
import { DemandLines, DemandMark, type Demanded } from './demand-lines.ts'
import { DemandSum } from './demand-sum.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] }))
afterEach(() => void vi.useRealTimers())

function stage() {
  const functions = ['a', 'b'].map(name => ({ name, inflight: 0, waiting: 0, begun: 0, mark: new DemandMark() }))
  const lines = new DemandLines(() => functions)
  const told: Demand[][] = []
  const [a, b] = functions as [(typeof functions)[0], (typeof functions)[0]]
  const begin = (fn: Demanded & { begun: number; inflight: number }, count = 1) => {
    fn.begun += count
    fn.inflight += count
    lines.changed(fn)
  }
  return { a, b, lines, told, begin, follow: () => lines.follow(batch => void told.push(batch)) }
}

it('a function that changes is told of every 50 ms, with the calls since the last line; others are not', () => {
  const { a, told, begin, follow } = stage()
  follow()
  begin(a, 3)
  begin(a, 2)
  vi.advanceTimersByTime(49)
  expect(told).toEqual([])
  vi.advanceTimersByTime(1)
  expect(told).toEqual([[{ name: 'a', inflight: 5, waiting: 0, calls: 5 }]])
  vi.advanceTimersByTime(1_000)
  expect(told).toHaveLength(1)
  begin(a)
  vi.advanceTimersByTime(50)
  expect(told[1]).toEqual([{ name: 'a', inflight: 6, waiting: 0, calls: 1 }])
})

it('the first call that waits is told of at once, together with those that came with it', () => {
  const { a, lines, told, follow } = stage()
  follow()
  a.waiting = 1
  lines.waits(a)
  a.waiting = 3
  lines.changed(a)
  vi.advanceTimersByTime(0)
  expect(told).toEqual([[{ name: 'a', inflight: 0, waiting: 3, calls: 0 }]])
  a.waiting = 4
  lines.changed(a)
  vi.advanceTimersByTime(0)
  expect(told).toHaveLength(1)
  vi.advanceTimersByTime(50)
  expect(told[1]).toEqual([{ name: 'a', inflight: 0, waiting: 4, calls: 0 }])
})

it('a function whose line of waiting calls comes and goes is not told of all the time', () => {
  const { a, lines, told, follow } = stage()
  follow()
  for (let n = 0; n < 100; n += 1) {
    lines.waits(a)
    vi.advanceTimersByTime(1)
  }
  expect(told.length).toBeGreaterThan(1)
  expect(told.length).toBeLessThanOrEqual(5)
})

it('who begins to follow is told of functions with calls, and of nothing before', () => {
  const { a, b, told, begin, follow } = stage()
  begin(a, 7)
  b.begun = 100
  follow()
  expect(told).toEqual([[{ name: 'a', inflight: 7, waiting: 0, calls: 0 }]])
  begin(b)
  vi.advanceTimersByTime(50)
  expect(told[1]).toEqual([{ name: 'b', inflight: 1, waiting: 0, calls: 1 }])
})

it('nobody who follows: nothing is kept, and no timer runs', () => {
  const { a, lines, told, begin, follow } = stage()
  const end = follow()
  end()
  begin(a)
  lines.waits(a)
  expect(vi.getTimerCount()).toBe(0)
  follow()
  expect(told).toEqual([[{ name: 'a', inflight: 1, waiting: 0, calls: 0 }]])
})

it('a function that is removed is told of once more, with nothing', () => {
  const { a, lines, told, begin, follow } = stage()
  follow()
  begin(a, 2)
  lines.over(a)
  begin(a)
  vi.advanceTimersByTime(1_000)
  expect(told).toEqual([[{ name: 'a', inflight: 0, waiting: 0, calls: 2 }]])
})

it('what several workers say is added up, and what one of them said is gone with it', () => {
  const sum = new DemandSum()
  const told: Demand[] = []
  sum.follow(lines => void told.push(...lines))
  const [one, two] = [{}, {}]
  sum.take(one, [{ name: 'a', inflight: 2, waiting: 0, calls: 2 }])
  sum.take(two, [{ name: 'a', inflight: 3, waiting: 0, calls: 4 }])
  vi.advanceTimersByTime(50)
  expect(told).toEqual([{ name: 'a', inflight: 5, waiting: 0, calls: 6 }])
  sum.take(two, [{ name: 'a', inflight: 3, waiting: 1, calls: 1 }])
  vi.advanceTimersByTime(0)
  expect(told[1]).toEqual({ name: 'a', inflight: 5, waiting: 1, calls: 1 })
  sum.gone(two)
  vi.advanceTimersByTime(50)
  expect(told[2]).toEqual({ name: 'a', inflight: 2, waiting: 0, calls: 0 })
  const late: Demand[] = []
  sum.follow(lines => void late.push(...lines))
  expect(late).toEqual([{ name: 'a', inflight: 2, waiting: 0, calls: 0 }])
})
