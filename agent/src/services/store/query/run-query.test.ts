import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { StoredDocument } from '@ryo-faas/runtime/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LmdbStore } from '../engine/lmdb-store.ts'
import { orderKey, parseFieldPath, valueAt, type WriteOperation } from '../engine/index.ts'
import { matches } from './condition.ts'
import { parseWhere } from './parse-where.ts'
import type { Order } from './plan-query.ts'
import { runQuery } from './run-query.ts'

const TABLE = 't'
const COUNT = 200

let folder: string
let store: LmdbStore
let all: StoredDocument[]

/** The same numbers every time (mulberry32). */
function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'query-'))
  store = await LmdbStore.open({ path: folder, source: 's' })
  const next = chance(7)
  const pick = (values: unknown[]) => values[Math.floor(next() * values.length)]
  const operations = Array.from({ length: COUNT }, (_, n): WriteOperation => {
    const data = {
      n: Math.floor(next() * 50) - 25,
      ...(next() < 0.9 && { mixed: pick([null, false, true, 1, 2.5, -3, '', 'a', 'b', 'ä', '10', [1], { x: 1 }]) }),
      nested: { city: pick(['Kiel', 'Bonn', 'Köln', '😀']), tags: [pick(['new', 'old']), n % 3] },
    }
    return { kind: 'create', table: TABLE, id: `id-${Math.floor(next() * 1e9)}`, data: JSON.stringify(data) }
  })
  await store.write(operations)
  all = store.scan({ table: TABLE, limit: COUNT }).map(({ text }) => JSON.parse(text) as StoredDocument)
})

afterAll(async () => {
  await store.close()
  await rm(folder, { recursive: true, force: true })
})

function orderOf(text: string): Order {
  const isDescending = text.startsWith('-')
  return { field: parseFieldPath(text.replace('-', '')), isDescending }
}

interface Asked {
  where: string
  orderBy?: string
  limit: number
}

async function pages({ where, orderBy, limit }: Asked, between = async () => {}): Promise<StoredDocument[][]> {
  const result: StoredDocument[][] = []
  let cursor: string | undefined
  do {
    const query = { table: TABLE, conditions: parseWhere(where), ...(orderBy && { orderBy: orderOf(orderBy) }) }
    const page = await runQuery(store, query, { limit, ...(cursor !== undefined && { cursor }) })
    result.push(page.documents.map(text => JSON.parse(text) as StoredDocument))
    cursor = page.cursor
    await between()
  } while (cursor !== undefined)
  return result
}

/** Without an engine: what must be found, in the order it must have. */
function expected({ where, orderBy }: Asked): string[] {
  const found = all.filter(document => matches(document, parseWhere(where)))
  if (orderBy === undefined) return found.map(({ id }) => id).sort()
  const { field, isDescending } = orderOf(orderBy)
  const key = (document: StoredDocument) =>
    Buffer.concat([orderKey(valueAt(document, field)), Buffer.from(document.id)])
  const sorted = found.sort((one, other) => Buffer.compare(key(one), key(other))).map(({ id }) => id)
  return isDescending ? sorted.reverse() : sorted
}

const WHERES = [
  '{}',
  'n = 3',
  'n >= 0 and n < 10',
  'n > 100',
  'n < -20',
  'mixed = a',
  'mixed = null',
  'mixed != 1',
  'mixed >= a',
  'mixed <= 2',
  'mixed exists false',
  'mixed = {"x":1}',
  'mixed in ["a", 1, null, 1, "zz"]',
  'mixed in []',
  'n in [3,-3,0] and nested.city = Kiel',
  'nested.tags contains new and n >= 5',
  'nested.city = 😀 and n > -10 and n <= 10',
  '{"nested.city":{">":"Bonn","<":"Köln"}}',
]
const ORDERS = [undefined, 'n', '-n', 'mixed', '-mixed', '-$id', '$id', 'nested.city', 'absent']

const indexed = async (...fields: string[]) => {
  for (const field of fields) await store.declareIndex(TABLE, field)
  while (store.table(TABLE)!.indexes.some(({ state }) => state === 'building')) await nextTurn()
}

describe.each([{ fields: [] }, { fields: ['n'] }, { fields: ['n', 'mixed', 'nested.city'] }])(
  'with indexes on $fields',
  ({ fields }) => {
    beforeAll(() => indexed(...fields))

    it.each(WHERES)('finds exactly what matches, in its order, in pages of any size: %s', async where => {
      for (const orderBy of ORDERS) {
        for (const limit of [7, 1_000]) {
          const asked = { where, limit, ...(orderBy !== undefined && { orderBy }) }
          const found = await pages(asked)
          const ids = found.flat().map(({ id }) => id)
          expect(orderBy === undefined ? [...ids].sort() : ids, `order by ${orderBy}`).toEqual(expected(asked))
          for (const page of found.slice(0, -1)) expect(page).toHaveLength(limit)
        }
      }
    })
  },
)

it.each(['n', 'absent', undefined])('pages stably while others write (order by %s)', async orderBy => {
  let round = 0
  const asked = { where: 'n >= -25', limit: 50, ...(orderBy !== undefined && { orderBy }) }
  const found = await pages(asked, async () => {
    round += 1
    const edges = { n: round % 2 ? -25 : 25 }
    await store.write([
      { kind: 'create', table: TABLE, id: `new-${orderBy}-${round}`, data: JSON.stringify(edges) },
      { kind: 'create', table: TABLE, id: `!-${orderBy}-${round}`, data: JSON.stringify(edges) },
    ])
  })
  const ids = found.flat().map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  const known = new Set(all.map(({ id }) => id))
  expect(ids.filter(id => known.has(id))).toHaveLength(COUNT)
})

it('refuses a cursor of another query, one that is damaged, and one of an index that is gone', async () => {
  const run = (where: string, cursor?: string) =>
    runQuery(store, { table: TABLE, conditions: parseWhere(where) }, { limit: 1, ...(cursor && { cursor }) })
  const { cursor } = await run('n > 0')
  await expect(run('n > 1', cursor)).rejects.toMatchObject({ code: 'INVALID_CURSOR' })
  for (const damaged of ['x', `${cursor}x`.slice(3), Buffer.from('["a"]').toString('base64url')]) {
    await expect(run('n > 0', damaged)).rejects.toMatchObject({ code: 'INVALID_CURSOR' })
  }
  await expect(run('n > 0', cursor)).resolves.toMatchObject({ documents: { length: 1 } })
  await store.dropIndex(TABLE, 'n')
  await expect(run('n > 0', cursor)).rejects.toMatchObject({ code: 'INVALID_CURSOR' })
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
  await runQuery(store, { table: 'large', conditions: parseWhere('text = y') }, { limit: 1 })
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
  await runQuery(store, { table: 'wide', conditions: parseWhere('{"list":{"contains":{"x":-1}}}') }, { limit: 10 })
  clearInterval(count)
  expect(turns).toBeGreaterThan(6)
})

it('stops when nobody waits for it any more', async () => {
  const signal = AbortSignal.abort(new Error('gone'))
  const query = { table: 'large', conditions: parseWhere('text = y') }
  await expect(runQuery(store, query, { limit: 1, signal })).rejects.toThrow('gone')
})

it('ends a page early when its documents are long', async () => {
  const data = JSON.stringify('x'.repeat(900_000))
  for (let n = 0; n < 12; n += 1) await store.write([{ kind: 'create', table: 'long', id: String(n), data }])
  for (const orderBy of [undefined, '-$version']) {
    const query = { table: 'long', conditions: [], ...(orderBy && { orderBy: orderOf(orderBy) }) }
    const first = await runQuery(store, query, { limit: 100 })
    const second = await runQuery(store, query, { limit: 100, cursor: first.cursor! })
    expect(first.documents.length).toBeLessThan(12)
    expect(first.documents.length + second.documents.length).toBe(12)
    expect(second.cursor).toBeUndefined()
  }
})
