/** A short run of `../chaos` on documents. `CHAOS_SEED` and `CHAOS_SCALE` vary or extend it. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CHAOS_LIMIT_MS, CHAOS_SCALE, CHAOS_SEED, CHAOS_TEST } from '../chaos/chaos-scale.ts'
import { runEventsChaos } from '../chaos/events-run.ts'
import { TestPlatform } from '../support/platform.ts'
import { IS_WHOLE } from '../support/whole-suite.ts'

const storeKills = (IS_WHOLE ? 6 : 4) * CHAOS_SCALE

let platform: TestPlatform
beforeAll(async () => {
  platform = await TestPlatform.make()
})
afterAll(() => platform.remove())

test(
  'no write is lost or doubled, no event missed or out of order, while the store and all around it are killed',
  CHAOS_TEST,
  async () => {
    const report = await runEventsChaos(platform, {
      seed: Number(CHAOS_SEED ?? 5),
      writers: 16,
      storeKills,
      engine: 'process',
      killGapMs: [100, 800],
      limitMs: CHAOS_LIMIT_MS,
    })
    expect(report.faults).toEqual([])
    expect(report.kills.get('store')).toBeGreaterThanOrEqual(storeKills)
    expect(report.events).toBe(report.writes)
  },
)
