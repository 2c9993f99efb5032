import { join } from 'node:path'
import { expect, inject, it } from 'vitest'
import { runCrashes } from '../testing/crash-run.ts'

// The long run: agent/test/chaos/store-chaos.ts.
it('loses, halves and repeats nothing when it and its bus are killed', async () => {
  const main = join(inject('entries'), 'services/store/main.js')
  const report = await runCrashes({ main, seed: 1, writers: 16, kills: 4, busKillEvery: 2, longestLifeMs: 400 })
  expect(report.faults).toEqual([])
  expect(report.acknowledged).toBeGreaterThan(50)
}, 120_000)
