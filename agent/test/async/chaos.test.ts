/**
 * A short run of `../chaos`: every part is killed at least once. `CHAOS_SEED` and `CHAOS_SCALE` vary or extend it.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runChaos } from '../chaos/chaos-run.ts'
import { CHAOS_LIMIT_MS, CHAOS_SCALE, CHAOS_SEED, CHAOS_TEST } from '../chaos/chaos-scale.ts'
import { TestPlatform } from '../support/platform.ts'
import { IS_WHOLE } from '../support/whole-suite.ts'

/** For as long as calls are queued, parts are killed, each of them at least once. */
const [calls, killGapMs] = IS_WHOLE
  ? [300 * CHAOS_SCALE, [500, 2_000] as const]
  : [180 * CHAOS_SCALE, [300, 1_200] as const]

let platform: TestPlatform
beforeAll(async () => {
  platform = await TestPlatform.make()
})
afterAll(() => platform.remove())

test('every accepted call ends and calls back while all parts are killed', CHAOS_TEST, async () => {
  const report = await runChaos(platform, {
    seed: Number(CHAOS_SEED ?? 3),
    calls,
    engine: 'process',
    dispatchers: 1,
    perSecond: 25,
    killGapMs,
    limitMs: CHAOS_LIMIT_MS,
  })
  expect(report).toMatchObject({ accepted: calls, states: { succeeded: calls }, faults: [] })
})
