import { afterAll, beforeAll, expect, it } from 'vitest'
import { TestPostgres } from '../../../../test/support/postgres.ts'
import { ask, Stage } from '../store-testing.ts'

let postgres: TestPostgres
let stage: Stage
beforeAll(async () => {
  postgres = await TestPostgres.start()
  stage = await Stage.open()
})
afterAll(async () => {
  await stage.end()
  await postgres.remove()
})

it('moves a table from the embedded store to PostgreSQL and back without a change', async () => {
  const first = await stage.store()
  const inDatabase = await stage.store({ database: postgres.url() })
  const last = await stage.store({ dataFolder: `${stage.dataFolder}-2` })
  const values = [1e-7, 1e21, 'ä😀', '\0', '\ud800', null, [], { b: 1, a: { '': [true] } }, 'x'.repeat(10_000)]
  const operations = values.map((data, at) => ({ op: 'create', table: 'a/ä', id: `id ${at}`, data }))
  await ask(first.port, 'POST /batch', { body: { operations } })
  await ask(first.port, 'PATCH /tables/a%2F%C3%A4/docs/id%207', { body: { c: '\u0001' } })
  const table = '/tables/a%2F%C3%A4'
  const exported = async ({ port }: { port: number }) => (await ask(port, `GET ${table}/export`)).text
  const lines = { 'content-type': 'application/x-ndjson' }
  const original = await exported(first)
  expect(original.trim().split('\n')).toHaveLength(values.length)
  for (const [from, to] of [
    [first, inDatabase],
    [inDatabase, last],
  ] as const) {
    const answer = await ask(to.port, `POST ${table}/import`, { headers: lines, body: await exported(from) })
    expect(answer.json).toMatchObject({ imported: values.length })
    expect(await exported(to)).toBe(original)
  }
})
