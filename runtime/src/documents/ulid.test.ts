import { expect, it } from 'vitest'
import { GrowingUlids, timeOfUlid, ulidOf } from './ulid.ts'

it('makes ids that grow with the time and within a millisecond, also when the clock goes back', () => {
  const source = new GrowingUlids()
  const ids = [1_000, 1_000, 1_000, 1_001, 999, 2_000].map(now => source.next(now))
  expect([...ids].sort()).toEqual(ids)
  expect(new Set(ids).size).toBe(ids.length)
  for (const id of ids) expect(id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/)
  // https://github.com/ulid/spec: the time of this one is 1469918176385.
  expect(new GrowingUlids().next(1469918176385).slice(0, 10)).toBe('01ARYZ6S41')
})

it('writes five bits of each byte, and reads the time', () => {
  const ulid = ulidOf(
    1469918176385,
    Uint8Array.from({ length: 16 }, (_, i) => i * 33),
  )
  expect(ulid).toBe('01ARYZ6S410123456789ABCDEF')
  expect(timeOfUlid(ulid)).toBe(1469918176385)
})
