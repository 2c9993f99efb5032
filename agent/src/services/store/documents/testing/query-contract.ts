/** What queries of every `DocumentStore` must do; a part of `documentStoreContract`. */
import type { StoredDocument } from '@ryo-faas/runtime/protocol'
import { beforeEach, expect, it } from 'vitest'
import { SeededRandom } from '../../../../../test/chaos/seeded-random.ts'
import {
  compareValues,
  type Condition,
  type DocumentStore,
  matches,
  type Order,
  type Query,
  valueAt,
  type WriteContext,
  type WriteOperation,
  type Written,
} from '../index.ts'
import { by, idsOf, where } from './reading.ts'

export interface QueryTools {
  storeOf(): DocumentStore
  /** Fails if nothing was written. */
  write(operations: WriteOperation[], context?: WriteContext): Promise<Written[]>
  /** Ids of everything that is found, page by page. */
  ids(query: Partial<Query> & { table: string }): Promise<string[]>
  /** Declares indexes, and waits until they are ready. */
  built(table: string, ...fields: string[]): Promise<void>
}

export function queryContract({ storeOf, write, ids, built }: QueryTools): void {
  let all: StoredDocument[]
  beforeEach(async () => {
    const random = new SeededRandom(7)
    const mixed = [null, false, true, 1, 2.5, -3, '', 'a', 'b', 'ä', '10', [1], { x: 1 }]
    const operations = Array.from({ length: 200 }, (_, n): WriteOperation => {
      const data = {
        n: random.below(50) - 25,
        ...(random.next() < 0.9 && { mixed: random.pick(mixed) }),
        nested: { city: random.pick(['Kiel', 'Bonn', 'Köln', '😀']), tags: [random.pick(['new', 'old']), n % 3] },
      }
      return { kind: 'create', table: 't', id: `id-${random.below(1e9)}`, data: JSON.stringify(data) }
    })
    all = (await write(operations)).map(({ document }) => JSON.parse(document) as StoredDocument)
  })

  it.each([{ fields: [] }, { fields: ['n'] }, { fields: ['n', 'mixed', 'nested.city'] }])(
    'find exactly what matches, in its order, in pages of any size, with indexes on $fields',
    async ({ fields }) => {
      await built('t', ...fields)
      for (const conditions of QUERIES) {
        const matching = all.filter(document => matches(document, conditions))
        for (const order of [undefined, 'n', '-n', 'mixed', '-mixed', '-$id', '$id', 'nested.city', 'absent']) {
          const orderBy = order === undefined ? undefined : by(order)
          for (const limit of [7, 1_000]) {
            const given = await ids({ table: 't', conditions, limit, ...(orderBy && { orderBy }) })
            const message = `${JSON.stringify(conditions)} by ${order} in pages of ${limit}`
            if (orderBy !== undefined) expect(given, message).toEqual(inOrder(matching, orderBy))
            else expect(given.sort(), message).toEqual(matching.map(({ id }) => id).sort())
          }
        }
      }
    },
  )

  it.each(['n', 'absent', undefined])('page stably while others write (order by %s)', async order => {
    await built('t', 'n')
    const query = {
      table: 't',
      conditions: where('n', { '>=': -25 }),
      limit: 50,
      ...(order && { orderBy: by(order) }),
    }
    const given: string[] = []
    let cursor: string | undefined
    for (let round = 0; round === 0 || cursor !== undefined; round += 1) {
      const page = await storeOf().query({ ...query, ...(cursor !== undefined && { cursor }) })
      given.push(...idsOf(page.documents))
      cursor = page.cursor
      const data = JSON.stringify({ n: round % 2 ? -25 : 25 })
      for (const id of [`new-${round}`, `!-${round}`]) await write([{ kind: 'create', table: 't', id, data }])
    }
    expect(new Set(given).size).toBe(given.length)
    const known = new Set(all.map(({ id }) => id))
    expect(given.filter(id => known.has(id))).toHaveLength(200)
  })

  it('refuse a cursor of another query, and one that is damaged', async () => {
    const run = (least: number, cursor?: string) =>
      storeOf().query({
        table: 't',
        conditions: where('n', { '>': least }),
        limit: 1,
        ...(cursor && { cursor }),
      })
    const { cursor } = await run(0)
    await expect(run(1, cursor)).rejects.toMatchObject({ code: 'INVALID_CURSOR' })
    for (const damaged of ['x', `${cursor}x`.slice(3), Buffer.from('["a"]').toString('base64url')]) {
      await expect(run(0, damaged)).rejects.toMatchObject({ code: 'INVALID_CURSOR' })
    }
    await expect(run(0, cursor)).resolves.toMatchObject({ documents: { length: 1 } })
  })

  it('end a page early when its documents are long', async () => {
    const data = JSON.stringify('x'.repeat(900_000))
    for (let n = 0; n < 12; n += 1) await write([{ kind: 'create', table: 'long', id: String(n), data }])
    for (const order of [undefined, '-$version']) {
      const query = { table: 'long', conditions: [], limit: 100, ...(order && { orderBy: by(order) }) }
      const first = await storeOf().query(query)
      const second = await storeOf().query({ ...query, cursor: first.cursor! })
      expect(first.documents.length).toBeLessThan(12)
      expect(first.documents.length + second.documents.length).toBe(12)
      expect(second.cursor).toBeUndefined()
    }
  })

  it('stop when nobody is waiting for them', async () => {
    const signal = AbortSignal.abort(new Error('gone'))
    for (let n = 0; n < 12; n += 1) {
      const operations = Array.from({ length: 500 }, (): WriteOperation => ({
        kind: 'create',
        table: 'large',
        data: '"x"',
      }))
      await write(operations, { isMuted: true })
    }
    const query = { table: 'large', conditions: where('text', { '=': 'y' }), limit: 1 }
    await expect(storeOf().query(query, signal)).rejects.toThrow('gone')
  })
}

const QUERIES: Condition[][] = [
  [],
  where('n', { '=': 3 }),
  where('n', { '>=': 0, '<': 10 }),
  where('n', { '>': 100 }),
  where('n', { '<': -20 }),
  where('mixed', { '=': 'a' }),
  where('mixed', { '=': null }),
  where('mixed', { '!=': 1 }),
  where('mixed', { '>=': 'a' }),
  where('mixed', { '<=': 2 }),
  where('mixed', { exists: false }),
  where('mixed', { '=': { x: 1 } }),
  where('mixed', { in: ['a', 1, null, 1, 'zz'] }),
  where('mixed', { in: [] }),
  [...where('n', { in: [3, -3, 0] }), ...where('nested.city', { '=': 'Kiel' })],
  [...where('nested.tags', { contains: 'new' }), ...where('n', { '>=': 5 })],
  [...where('nested.city', { '=': '😀' }), ...where('n', { '>': -10, '<=': 10 })],
  where('nested.city', { '>': 'Bonn', '<': 'Köln' }),
]

function inOrder(documents: StoredDocument[], { field, isDescending }: Order): string[] {
  const sorted = documents.toSorted(
    (one, other) => compareValues(valueAt(one, field), valueAt(other, field)) || compareValues(one.id, other.id),
  )
  const ids = sorted.map(({ id }) => id)
  return isDescending ? ids.reverse() : ids
}
