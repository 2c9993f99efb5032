/** A short run of `../chaos`: every part is killed at least once. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runChaos } from '../chaos/chaos-run.ts'
import { TestPlatform } from '../support/platform.ts'

let platform: TestPlatform
beforeAll(async () => {
  platform = await TestPlatform.make()
})
afterAll(() => platform.remove())

test('every accepted call comes to its end and calls back while all parts are killed', async () => {
  const report = await runChaos(platform, {
    seed: 3,
    calls: 300,
    engine: 'process',
    dispatchers: 1,
    perSecond: 25,
    killGapMs: [500, 2_000],
    limitMs: 100_000,
  })
  expect(report).toMatchObject({ accepted: 300, states: { succeeded: 300 }, faults: [] })
})
