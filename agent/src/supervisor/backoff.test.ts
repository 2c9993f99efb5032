import { expect, test } from 'vitest'
import { Backoff } from './backoff.ts'

const bounds = { firstMs: 100, maxMs: 1000, forgivingMs: 500, healthyMs: 5000 }

test('the first restart is immediate, each further one waits twice as long, up to the maximum', () => {
  const backoff = new Backoff(bounds)
  const waits = Array.from({ length: 7 }, () => {
    backoff.started(0)
    backoff.died(1)
    return backoff.nextStart(1) - 0
  })
  expect(waits).toEqual([1, 100, 200, 400, 800, 1000, 1000])
})

test('a long healthy run clears the record', () => {
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

test('what ran for a while between its deaths is restarted at once, however often it dies', () => {
  const backoff = new Backoff(bounds)
  let now = 0
  for (let i = 0; i < 50; i += 1) {
    backoff.started(now)
    now += 600
    backoff.died(now)
    expect(backoff.nextStart(now)).toBe(now)
  }
})

test('uptime takes deaths off the record, which is capped at the longest wait', () => {
  const backoff = new Backoff(bounds)
  for (let i = 0; i < 30; i += 1) {
    backoff.started(0)
    backoff.died(1)
  }
  expect(backoff.deaths).toBe(6)
  backoff.started(0)
  backoff.died(1_500)
  expect(backoff.deaths).toBe(4)
  expect(backoff.nextStart(1_500)).toBe(1_500)
})
