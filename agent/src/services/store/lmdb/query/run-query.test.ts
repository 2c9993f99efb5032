import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Condition, type DocumentStore, parseFieldPath, type WriteOperation } from '../../documents/index.ts'
import { openLmdbStore } from '../lmdb-store.ts'

let dataFolder: string
let store: DocumentStore

beforeAll(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'query-'))
  store = await openLmdbStore({ dataFolder, source: 's' })
})
afterAll(async () => {
  await store.close()
  await rm(dataFolder, { recursive: true, force: true })
})

const isText = (value: unknown): Condition[] => [{ field: parseFieldPath('text'), operator: '=', value }]

it('refuses a cursor of an index that is gone', async () => {
  await store.declareIndex('t', 'text')
  await store.write(
    Array.from({ length: 2 }, (): WriteOperation => ({ kind: 'create', table: 't', data: '{"text":1}' })),
  )
  const query = { table: 't', conditions: isText(1), limit: 1 }
  const { cursor } = await store.query(query)
  await expect(store.query({ ...query, cursor: cursor! })).resolves.toMatchObject({ documents: { length: 1 } })
  await store.dropIndex('t', 'text')
  await expect(store.query({ ...query, cursor: cursor! })).rejects.toMatchObject({ code: 'INVALID_CURSOR' })
})

it('lets others have their turn while it looks at a large table', async () => {
  const data = JSON.stringify({ text: 'x'.repeat(300) })
  for (let from = 0; from < 6_000; from += 1_000) {
    await store.write(
      Array.from({ length: 1_000 }, (): WriteOperation => ({ kind: 'create', table: 'large', data })),
      { isMuted: true },
    )
  }
  let turns = 0
  const count = setInterval(() => (turns += 1), 0)
  await store.query({ table: 'large', conditions: isText('y'), limit: 1 })
  clearInterval(count)
  expect(turns).toBeGreaterThan(0)
})

it('lets others have their turn between large documents, a few of which are much work', async () => {
  const list = JSON.stringify(Array.from({ length: 60_000 }, (_, x) => ({ x })))
  for (let n = 0; n < 12; n += 1) {
    await store.write([{ kind: 'create', table: 'wide', id: String(n), data: `{"list":${list}}` }])
  }
  let turns = 0
  const count = setInterval(() => (turns += 1), 0)
  const conditions: Condition[] = [{ field: parseFieldPath('list'), operator: 'contains', value: { x: -1 } }]
  await store.query({ table: 'wide', conditions, limit: 10 })
  clearInterval(count)
  expect(turns).toBeGreaterThan(6)
})
