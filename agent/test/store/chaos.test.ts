/** A short run of `../chaos` on documents. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runEventsChaos } from '../chaos/events-run.ts'
import { TestPlatform } from '../support/platform.ts'

let platform: TestPlatform
beforeAll(async () => {
  platform = await TestPlatform.make()
})
afterAll(() => platform.remove())

test('no write is lost or doubled, no event missed or out of order, while the store and all around it are killed', async () => {
  const report = await runEventsChaos(platform, {
    seed: 5,
    writers: 16,
    storeKills: 6,
    engine: 'process',
    killGapMs: [100, 800],
    limitMs: 100_000,
  })
  expect(report.faults).toEqual([])
  expect(report.kills.get('store')).toBeGreaterThanOrEqual(6)
  expect(report.events).toBe(report.writes)
})
