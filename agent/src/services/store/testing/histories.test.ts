import { join } from 'node:path'
import { expect, inject, it } from 'vitest'
import { CHAOS_SCALE, CHAOS_SEED } from '../../../../test/chaos/chaos-scale.ts'
import { TestPostgres } from '../../../../test/support/postgres.ts'
import { runHistories } from './history-run.ts'

const seed = Number(CHAOS_SEED ?? 11)
const main = join(inject('entries'), 'services/store/main.js')
const size = { seed, main, clients: 8, kills: 2 * CHAOS_SCALE, longestLifeMs: 300 }

it(
  'each document of the embedded store is as if one client changed it at a time, whatever is killed',
  async () => {
    const { faults, operations } = await runHistories(size)
    expect(faults).toEqual([])
    expect(operations).toBeGreaterThan(100)
  },
  100_000 * (CHAOS_SCALE + 2),
)

it(
  'each document in PostgreSQL is as if one client changed it at a time, whatever is killed',
  async () => {
    const postgres = await TestPostgres.start()
    const { faults, operations } = await runHistories({ ...size, database: postgres }).finally(() => postgres.remove())
    expect(faults).toEqual([])
    expect(operations).toBeGreaterThan(100)
  },
  100_000 * (CHAOS_SCALE + 2),
)
