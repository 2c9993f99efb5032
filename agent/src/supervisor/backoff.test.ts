import { expect, test } from 'vitest'
import { Backoff } from './backoff.ts'

const bounds = { firstMs: 100, maxMs: 1000, healthyMs: 5000 }

test('the first death is mended at once, further ones wait twice as long each, up to the most', () => {
  const backoff = new Backoff(bounds)
  const waits = Array.from({ length: 7 }, () => {
    backoff.started(0)
    backoff.died(1)
    return backoff.nextStart(1) - 0
  })
  expect(waits).toEqual([1, 100, 200, 400, 800, 1000, 1000])
})

test('a long healthy life clears the record', () => {
  const backoff = new Backoff(bounds)
  for (const at of [0, 1, 2, 3]) {
    backoff.started(at)
    backoff.died(at + 1)
  }
  backoff.started(100)
  backoff.died(6000)
  expect(backoff.deaths).toBe(1)
  expect(backoff.nextStart(6000)).toBe(6000)
})
