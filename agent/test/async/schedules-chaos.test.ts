/**
 * Schedules under fire: a short run of `../chaos`. `CHAOS_SEED` and `CHAOS_SCALE` vary or extend it.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CHAOS_LIMIT_MS, CHAOS_SCALE, CHAOS_SEED, CHAOS_TEST } from '../chaos/chaos-scale.ts'
import { runSchedulesChaos } from '../chaos/schedules-run.ts'
import { TestPlatform } from '../support/platform.ts'

let platform: TestPlatform
beforeAll(async () => {
  platform = await TestPlatform.make()
})
afterAll(() => platform.remove())

test('each time of a schedule is exactly one call while all parts are killed', CHAOS_TEST, async () => {
  const report = await runSchedulesChaos(platform, {
    seed: Number(CHAOS_SEED ?? 17),
    functions: 4,
    underFireMs: 15_000 * CHAOS_SCALE,
    killGapMs: [500, 2_000],
    limitMs: CHAOS_LIMIT_MS,
  })
  console.log(JSON.stringify({ ...report, kills: Object.fromEntries(report.kills) }))
  expect(report.faults).toEqual([])
  expect(report.times).toBeGreaterThan(0)
})
