import { expect, test } from 'vitest'
import { RateLimits, SharedRates, type RateRequest } from './rate-limits.ts'

/** Calls at a rate of one per `everyMs`, from `fromMs` to `toMs`; returns when those that were granted were made. */
function run(
  rates: RateLimits,
  clock: { now: number },
  span: { toMs: number; everyMs: number; limit: RateRequest['limit'] },
) {
  const granted: number[] = []
  for (; clock.now < span.toMs; clock.now += span.everyMs) {
    if (rates.take('someone', span.limit).granted > 0) granted.push(clock.now)
  }
  return granted
}

test.each([
  [1, 1_000, 10],
  [100, 1_000, 1],
  [250, 60_000, 7],
  [5_000, 1_000, 0.1],
])('%i calls in %i ms: exactly that many under load, and never more in any period', (calls, periodMs, everyMs) => {
  const clock = { now: 0 }
  const rates = new RateLimits(() => clock.now)
  const granted = run(rates, clock, { toMs: 10 * periodMs, everyMs, limit: { calls, periodMs } })
  expect(Math.abs(granted.length - 10 * calls)).toBeLessThanOrEqual(calls * 10 * 0.002)
  // To within a thousandth of the period.
  const shortened = periodMs * 0.998
  for (let i = calls; i < granted.length; i += 1) expect(granted[i]! - granted[i - calls]!).toBeGreaterThan(shortened)
})

test('a burst that was allowed uses up the period; refused calls do not make it longer', () => {
  const clock = { now: 0 }
  const rates = new RateLimits(() => clock.now)
  const limit = { calls: 3, periodMs: 1_000 }
  const take = () => rates.take('someone', limit)
  expect([take(), take(), take()].map(({ granted }) => granted)).toEqual([1, 1, 1])
  clock.now = 400
  expect(take()).toEqual({ granted: 0, retryMs: 600 })
  clock.now = 999
  expect(take()).toEqual({ granted: 0, retryMs: 1 })
  clock.now = 1_000
  expect(take()).toEqual({ granted: 1, retryMs: 0 })
  expect(rates.take('another', limit).granted).toBe(1)
})

test('some callers of many are forgotten, first those who made no call lately', () => {
  const clock = { now: 0 }
  const rates = new RateLimits(() => clock.now)
  const limit = { calls: 1, periodMs: 1_000 }
  for (let i = 0; i < 100_000; i += 1) rates.take(`idle ${i}`, limit)
  clock.now = 5_000
  rates.take('busy', limit)
  expect(rates.size).toBe(1)
  expect(rates.take('busy', limit).granted).toBe(0)
  for (let i = 0; i < 100_000; i += 1) rates.take(`flood ${i}`, limit)
  expect(rates.size).toBeLessThanOrEqual(100_000)
})

test('several processes share one window, and ask for all calls of a turn at once', async () => {
  const clock = { now: 0 }
  const shared = new RateLimits(() => clock.now)
  const asked: number[] = []
  const ask = async (requests: RateRequest[]) => {
    asked.push(requests.reduce((sum, { count }) => sum + count, 0))
    return requests.map(request => shared.takeSome(request))
  }
  const workers = [new SharedRates(ask), new SharedRates(ask)]
  const limit = { calls: 100, periodMs: 1_000 }
  let granted = 0
  for (; clock.now < 10_000; clock.now += 50) {
    const answers = await Promise.all(Array.from({ length: 64 }, (_, i) => workers[i % 2]!.take('someone', limit)))
    granted += answers.reduce((sum, answer) => sum + answer.granted, 0)
  }
  expect(granted).toBe(1_000)
  expect(asked).toHaveLength(400)
  const broken = new SharedRates(() => Promise.reject(new Error('gone')))
  await expect(broken.take('someone', limit)).rejects.toThrow('gone')
})
