import { beforeAll, expect, test } from 'vitest'
import { TestAuthority } from '../services/proxy/front/front-testing.ts'
import { lifeOf } from './acme-certificates.ts'

const DAY_MS = 86_400_000
let authority: TestAuthority

beforeAll(async () => void (authority = await TestAuthority.create()))

test.each([7, 47, 90])('one of %i days is renewed when a third is left, or a little earlier', async days => {
  const lives = await Promise.all(
    Array.from({ length: 8 }, async () => lifeOf((await authority.sign(['a.test'], days)).cert)),
  )
  for (const { from, to, renewAt } of lives) {
    const share = (to - renewAt) / (to - from)
    expect(share).toBeGreaterThanOrEqual(1 / 3)
    expect(share).toBeLessThanOrEqual(1 / 3 + 1 / 30)
    expect(to - from).toBeGreaterThan((days - 1) * DAY_MS)
  }
  // Not all together.
  expect(new Set(lives.map(({ renewAt }) => Math.round(renewAt / 1000))).size).toBeGreaterThan(1)
})

test('the same one always at the same time', async () => {
  const { cert } = await authority.sign(['a.test'], 90)
  expect(lifeOf(cert)).toEqual(lifeOf(cert))
})
