import { afterEach, expect, test, vi } from 'vitest'
import type { CallCount } from '../contract/index.ts'
import type { FunctionStats } from '../services/proxy/index.ts'
import { CallCounts } from './call-counts.ts'

const stats = (name: string, calls: number): FunctionStats => ({
  ...{ name, calls, errors: 0, inflight: 0, lastErrorAt: null },
  ...{ p50Ms: 1, p95Ms: 2, p99Ms: 3 },
})

let stop: (() => void) | undefined
afterEach(() => stop?.())

function counting(functions: FunctionStats[]) {
  const told: CallCount[][] = []
  let waiting: (() => void) | undefined
  let asked = 0
  const counts = new CallCounts({
    intervalMs: 5,
    stats: async () => {
      asked++
      waiting?.()
      if (functions.length === 0) throw new Error('the proxy is down')
      return { generation: 1, workers: 1, functions }
    },
    tell: changed => void told.push(changed),
  })
  /** Resolves when everything requested so far was reported. */
  const askedTwice = async () => {
    for (let n = 0; n < 2; n++) await new Promise<void>(resolve => (waiting = resolve))
  }
  return { counts, told, askedTwice, asked: () => asked }
}

test('only changes are reported', async () => {
  const functions = [stats('a', 1), stats('b', 0)]
  const { counts, told, askedTwice } = counting(functions)
  stop = counts.watch()
  await askedTwice()
  functions[0] = stats('a', 2)
  await askedTwice()
  const shown = told.map(changed => changed.map(({ route, calls }) => `${route} ${calls}`))
  expect(shown).toEqual([['a 1', 'b 0'], ['a 2']])
})

test('a proxy that is down is polled again, and reported when it is back', async () => {
  const functions: FunctionStats[] = []
  const { counts, told, askedTwice } = counting(functions)
  stop = counts.watch()
  await askedTwice()
  functions.push(stats('a', 7))
  await askedTwice()
  expect(told).toEqual([[{ route: 'a', calls: 7, errors: 0, p95Ms: 2 }]])
})

test('nothing is polled without a listener', async () => {
  const { counts, asked, askedTwice } = counting([stats('a', 1)])
  const first = counts.watch()
  const second = counts.watch()
  first()
  await askedTwice()
  second()
  const before = asked()
  stop = counts.watch()
  stop()
  expect(asked()).toBe(before)
})

test('a listener that leaves and returns during a poll starts one loop, not two', async () => {
  let atOnce = 0
  let most = 0
  const answers: (() => void)[] = []
  const counts = new CallCounts({
    intervalMs: 1,
    stats: async () => {
      most = Math.max(most, ++atOnce)
      await new Promise<void>(resolve => answers.push(resolve))
      atOnce--
      return { generation: 1, workers: 1, functions: [] }
    },
    tell: () => undefined,
  })
  const next = () => vi.waitFor(() => expect(answers.length).toBeGreaterThan(0), { timeout: 10_000 })
  const leave = counts.watch()
  await next()
  leave()
  stop = counts.watch()
  for (let n = 0; n < 20; n += 1) {
    await next()
    answers.shift()!()
  }
  expect(most).toBe(1)
})
