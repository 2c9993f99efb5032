import { expect, test } from 'vitest'
import { backoffMs } from './backoff.ts'

const bounds = { firstMs: 1_000, mostMs: 3_600_000 }

test('the wait doubles from failure to failure, between the half and the whole of it, up to the most', () => {
  expect([1, 2, 3].map(failures => backoffMs(bounds, failures, 0))).toEqual([500, 1_000, 2_000])
  expect([1, 2, 3].map(failures => backoffMs(bounds, failures, 1))).toEqual([1_000, 2_000, 4_000])
  expect(backoffMs(bounds, 1_000, 1)).toBe(3_600_000)
})

test('without chance it is the whole', () => {
  expect([1, 2, 13].map(failures => backoffMs(bounds, failures))).toEqual([1_000, 2_000, 3_600_000])
})
