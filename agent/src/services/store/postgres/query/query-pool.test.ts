import { afterAll, beforeAll, expect, it } from 'vitest'
import { TestPostgres } from '../../../../../test/support/postgres.ts'
import { QueryPool } from './query-pool.ts'

let postgres: TestPostgres
let pool: QueryPool
beforeAll(async () => {
  postgres = await TestPostgres.start()
  pool = new QueryPool(postgres.url())
})
afterAll(async () => {
  await pool.close()
  await postgres.remove()
})

it('ends queries in the database when nobody waits for them, though they have all connections', async () => {
  const stop = new AbortController()
  const running = async () =>
    (await postgres.sql(`SELECT pid FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'`)).rowCount
  const ended = Promise.allSettled(Array.from({ length: 6 }, () => pool.rows('SELECT pg_sleep(600)', [], stop.signal)))
  await expect.poll(running).toBe(6)
  stop.abort(new Error('gone'))
  const outcomes = await ended
  expect(outcomes.map(outcome => outcome.status === 'rejected' && String(outcome.reason))).toEqual(
    Array.from({ length: 6 }, () => 'Error: gone'),
  )
  await expect.poll(running).toBe(0)
  expect(await pool.rows('SELECT 1 AS one', [])).toEqual([{ one: 1 }])
})
