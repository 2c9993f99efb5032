import { join } from 'node:path'
import { expect, inject, it } from 'vitest'
import { CHAOS_SCALE, CHAOS_SEED } from '../../../../test/chaos/chaos-scale.ts'
import { TestPostgres } from '../../../../test/support/postgres.ts'
import { IS_WHOLE } from '../../../../test/support/whole-suite.ts'
import { runCrashes } from '../testing/crash-run.ts'

// A sample: `npm run proofs -- --long` has more. The long run: agent/test/chaos/store-chaos.ts --postgres.
it(
  'loses, halves, repeats and misses nothing when it, its database and its bus are killed, nor does either of two',
  async () => {
    const postgres = await TestPostgres.start()
    const seed = Number(CHAOS_SEED ?? 3)
    const size = {
      main: join(inject('entries'), 'services/store/main.js'),
      writers: Math.min(64, 16 * CHAOS_SCALE),
      kills: (IS_WHOLE ? 5 : 3) * CHAOS_SCALE,
      busKillEvery: 3,
      longestLifeMs: 400,
      // Both relay the one log: what is in the stream already is refused there.
      stores: 2,
    }
    const report = await runCrashes({ seed, ...size, database: postgres }).finally(() => postgres.remove())
    expect(report.faults).toEqual([])
    expect(report.acknowledged).toBeGreaterThan(50)
  },
  100_000 * (CHAOS_SCALE + 2),
)
