/** What every `DocumentStore` must do, whatever it is made of. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { DocumentCloudEvent, StoredDocument } from '@ryo-faas/runtime/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DocumentStore, type Query, type WriteContext, type WriteOperation, type Written } from '../index.ts'
import { logContract } from './log-contract.ts'
import { queryContract } from './query-contract.ts'
import { by, documentsOf, eventsOf, found, idsOf, where } from './reading.ts'

export interface StoreUnderTest {
  readonly store: DocumentStore
  /** Ends it and opens it again on the same data. */
  reopen(): Promise<void>
  /** Ends it and removes its data. */
  remove(): Promise<void>
}

export function documentStoreContract(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`${name} as a document store`, () => {
    let subject: StoreUnderTest
    beforeEach(async () => {
      subject = await make()
    })
    afterEach(() => subject.remove())

    const write = async (operations: WriteOperation[], context?: WriteContext): Promise<Written[]> => {
      const outcome = await subject.store.write(operations, context)
      if (outcome.kind === 'refused') throw new Error(`${outcome.code}: ${outcome.message}`)
      return outcome.written
    }
    const create = (table: string, id: string, data: unknown = {}) =>
      write([{ kind: 'create', table, id, data: JSON.stringify(data) }])
    const read = async (table: string, id: string) => {
      const known = await subject.store.get(table, id)
      return known && (JSON.parse(known.text) as StoredDocument)
    }
    const events = async (table?: string) =>
      (await eventsOf(subject.store, table === undefined ? {} : { table })).map(
        ({ text }) => JSON.parse(text) as DocumentCloudEvent,
      )
    const ids = async (query: Partial<Query> & { table: string }) => idsOf(await found(subject.store, query))
    const built = async (table: string, ...fields: string[]) => {
      for (const field of fields) await subject.store.declareIndex(table, field)
      const isBuilding = async () =>
        (await subject.store.table(table))!.indexes.some(({ state }) => state === 'building')
      while (await isBuilding()) await nextTurn()
    }

    it('keeps what is written, and answers it as it is kept', async () => {
      const [written] = await create('notes', 'n1', { text: 'ä😀', list: [1, null, true] })
      expect(written).toMatchObject({ change: 'new-doc', id: 'n1', version: 1 })
      expect(JSON.parse(written!.document)).toMatchObject({ id: 'n1', table: 'notes', version: 1 })
      expect(await read('notes', 'n1')).toEqual(JSON.parse(written!.document))
      expect((await read('notes', 'n1'))!.data).toEqual({ text: 'ä😀', list: [1, null, true] })
      expect(await subject.store.get('notes', 'other')).toBeUndefined()
      expect(await subject.store.get('others', 'n1')).toBeUndefined()
    })

    it('gives a document without an id one that sorts behind those before it', async () => {
      const operations: WriteOperation[] = Array.from({ length: 20 }, () => ({ kind: 'create', table: 't', data: '1' }))
      const written = [...(await write(operations)), ...(await write(operations))].map(({ id }) => id)
      expect(new Set(written).size).toBe(40)
      expect([...written].sort()).toEqual(written)
      expect(await ids({ table: 't' })).toEqual(written)
    })

    it('counts versions, keeps the time of creation, and goes on counting after a deletion', async () => {
      await create('t', 'a', { n: 1 })
      const first = (await read('t', 'a'))!
      await write([{ kind: 'put', table: 't', id: 'a', data: '{"n":2}' }])
      await write([{ kind: 'patch', table: 't', id: 'a', patch: '{"m":{"x":1}}' }])
      expect(await read('t', 'a')).toMatchObject({
        version: 3,
        createdAt: first.createdAt,
        data: { n: 2, m: { x: 1 } },
      })
      expect(await write([{ kind: 'delete', table: 't', id: 'a' }])).toMatchObject([
        { change: 'deleted-doc', version: 4 },
      ])
      expect(await read('t', 'a')).toBeUndefined()
      await subject.reopen()
      expect(await create('t', 'a')).toMatchObject([{ change: 'new-doc', version: 5 }])
    })

    it.each([
      ['a document that exists cannot be created', { kind: 'create', data: '1' }, 'DOCUMENT_EXISTS'],
      ['another version is not replaced', { kind: 'put', data: '1', condition: 2 }, 'PRECONDITION_FAILED'],
      ['one that must not exist is not replaced', { kind: 'put', data: '1', condition: 'none' }, 'PRECONDITION_FAILED'],
      ['another version is not merged into', { kind: 'patch', patch: '{}', condition: 7 }, 'PRECONDITION_FAILED'],
      ['another version is not deleted', { kind: 'delete', condition: 7 }, 'PRECONDITION_FAILED'],
    ] as const)('refuses: %s', async (_, operation, code) => {
      await create('t', 'a', 'old')
      const outcome = await subject.store.write([{ ...operation, table: 't', id: 'a' }])
      expect(outcome).toMatchObject({ kind: 'refused', code, version: 1 })
      expect((await read('t', 'a'))!.data).toBe('old')
    })

    it.each([
      [{ kind: 'patch', patch: '{}' }, 'DOCUMENT_NOT_FOUND'],
      [{ kind: 'delete' }, 'DOCUMENT_NOT_FOUND'],
      [{ kind: 'put', data: '1', condition: 'any' }, 'PRECONDITION_FAILED'],
      [{ kind: 'put', data: '1', condition: 1 }, 'PRECONDITION_FAILED'],
    ] as const)('refuses %j of a document that is not there', async (operation, code) => {
      await create('t', 'other')
      for (const table of ['none', 't']) {
        const outcome = await subject.store.write([{ ...operation, table, id: 'a' }])
        expect(outcome).toMatchObject({ kind: 'refused', code })
      }
    })

    it('does all operations of a write or none, each on what those before it made', async () => {
      await create('t', 'a', { n: 1 })
      const refused = await subject.store.write([
        { kind: 'create', table: 'u', id: 'b', data: '1' },
        { kind: 'patch', table: 't', id: 'a', patch: '{"n":2}', condition: 1 },
        { kind: 'patch', table: 't', id: 'a', patch: '{"n":3}', condition: 1 },
      ])
      expect(refused).toMatchObject({ kind: 'refused', index: 2, code: 'PRECONDITION_FAILED', version: 2 })
      expect((await read('t', 'a'))!.data).toEqual({ n: 1 })
      expect(await subject.store.table('u')).toBeUndefined()
      expect(await events()).toHaveLength(1)

      await write([
        { kind: 'create', table: 'u', id: 'b', data: '{}' },
        { kind: 'delete', table: 'u', id: 'b' },
        { kind: 'put', table: 'u', id: 'b', data: '{"again":true}', condition: 'none' },
        { kind: 'patch', table: 'u', id: 'b', patch: '{"more":1}', condition: 3 },
      ])
      expect(await read('u', 'b')).toMatchObject({ version: 4, data: { again: true, more: 1 } })
      expect(await subject.store.table('u')).toMatchObject({ documents: 1 })
      expect((await events('u')).map(({ data }) => [data.kind, data.version])).toEqual([
        ['new-doc', 1],
        ['deleted-doc', 2],
        ['new-doc', 3],
        ['updated-doc', 4],
      ])
    })

    it('lets exactly one of many writers of one version win', async () => {
      await create('t', 'a', 0)
      for (let version = 1; version <= 5; version += 1) {
        const rivals = Array.from({ length: 20 }, (_, rival) =>
          subject.store.write([{ kind: 'put', table: 't', id: 'a', data: String(rival), condition: version }]),
        )
        const outcomes = await Promise.all(rivals)
        const winners = outcomes.flatMap((outcome, rival) => (outcome.kind === 'written' ? [rival] : []))
        expect(winners).toHaveLength(1)
        expect(await read('t', 'a')).toMatchObject({ version: version + 1, data: winners[0] })
      }
    })

    describe('the log', () => logContract({ subjectOf: () => subject, write, create, events }))

    it('takes documents over as they were, without events if it is told so', async () => {
      const past = { version: 7, createdAt: '2020-01-02T03:04:05.678Z', editedAt: '2021-01-02T03:04:05.678Z' }
      await write([{ kind: 'import', table: 't', id: 'a', data: '{"n":1}', ...past }], { isMuted: true })
      expect(await read('t', 'a')).toMatchObject({ ...past, data: { n: 1 } })
      expect(await events()).toEqual([])
      await write([{ kind: 'import', table: 't', id: 'a', data: '{"n":2}' }])
      expect(await read('t', 'a')).toMatchObject({ version: 8, data: { n: 2 } })
      expect((await events()).map(({ data }) => data.kind)).toEqual(['updated-doc'])
    })

    it('takes every legal name and keeps the likes of it apart', async () => {
      const names = [
        'a',
        'A',
        'a.b',
        'a/b',
        'a b',
        '%2F',
        'ä',
        'a\u0308',
        '😀',
        '-',
        '__proto__',
        'x'.repeat(512),
        'é'.repeat(256),
      ]
      for (const table of names) for (const id of names) await create(table, id, { table, id })
      for (const table of names) {
        expect(await subject.store.table(table)).toMatchObject({ documents: names.length })
        expect((await ids({ table })).sort()).toEqual([...names].sort())
        for (const id of names) expect(await read(table, id)).toMatchObject({ id, table, data: { table, id } })
        expect(await events(table)).toHaveLength(names.length)
      }
      expect((await subject.store.tables()).map(({ table }) => table).sort()).toEqual([...names].sort())
    })

    it('walks a table by ids, both ways, from any place', async () => {
      for (const id of ['c', 'a', 'e', 'b', 'd']) await create('t', id)
      await create('s', 'x')
      await create('u', 'y')
      const [up, down] = [
        { table: 't', conditions: [], orderBy: by('$id'), limit: 3 },
        { table: 't', conditions: [], orderBy: by('-$id'), limit: 3 },
      ]
      for (const limit of [1, 2, 1_000]) {
        expect(await ids({ ...up, limit })).toEqual(['a', 'b', 'c', 'd', 'e'])
        expect(await ids({ ...down, limit })).toEqual(['e', 'd', 'c', 'b', 'a'])
      }
      const [firstUp, firstDown] = [await subject.store.query(up), await subject.store.query(down)]
      await write([{ kind: 'delete', table: 't', id: 'c' }])
      const [nextUp, nextDown] = [
        await subject.store.query({ ...up, cursor: firstUp.cursor! }),
        await subject.store.query({ ...down, cursor: firstDown.cursor! }),
      ]
      expect([idsOf(firstUp.documents), idsOf(nextUp.documents)]).toEqual([
        ['a', 'b', 'c'],
        ['d', 'e'],
      ])
      expect([idsOf(firstDown.documents), idsOf(nextDown.documents)]).toEqual([
        ['e', 'd', 'c'],
        ['b', 'a'],
      ])
      expect(nextUp.cursor).toBeUndefined()
      expect(await ids({ table: 'none' })).toEqual([])
    })

    it('keeps an index up through every kind of write', async () => {
      for (const [id, n] of Object.entries({ a: 3, b: 1, c: 2 })) await create('t', id, { n })
      await built('t', 'n')
      const sorted = () => ids({ table: 't', orderBy: by('n') })
      expect(await sorted()).toEqual(['b', 'c', 'a'])
      await create('t', 'd', { n: 1.5 })
      await create('t', 'e', {})
      await write([{ kind: 'put', table: 't', id: 'b', data: '{"n":9}' }])
      await write([{ kind: 'patch', table: 't', id: 'a', patch: '{"n":0}' }])
      await write([{ kind: 'import', table: 't', id: 'f', data: '{"n":-1}' }])
      await write([{ kind: 'delete', table: 't', id: 'c' }])
      expect(await sorted()).toEqual(['e', 'f', 'a', 'd', 'b'])
      expect(await ids({ table: 't', orderBy: by('-n') })).toEqual(['b', 'd', 'a', 'f', 'e'])
      expect(await ids({ table: 't', orderBy: by('n'), conditions: where('n', { '>=': 0, '<': 9 }) })).toEqual([
        'a',
        'd',
      ])
      expect(await ids({ table: 't', orderBy: by('n'), conditions: where('n', { in: [9, 1.5, 9, 7] }) })).toEqual([
        'd',
        'b',
      ])
      expect((await subject.store.table('t'))!.indexes).toEqual([{ field: 'n', state: 'ready', documents: 5 }])
      await subject.store.dropIndex('t', 'n')
      expect((await subject.store.table('t'))!.indexes).toEqual([])
      await expect(subject.store.dropIndex('t', 'n')).rejects.toMatchObject({ code: 'INDEX_NOT_FOUND' })
    })

    it('builds an index beside writes, and goes on with it after it was opened again', async () => {
      const operations = (from: number): WriteOperation[] =>
        Array.from({ length: 1_000 }, (_, n) => ({
          kind: 'put',
          table: 't',
          id: String(from + n),
          data: `{"n":${n % 10}}`,
        }))
      for (let from = 0; from < 3_000; from += 1_000) await write(operations(from), { isMuted: true })
      expect(await subject.store.declareIndex('t', 'n')).toMatchObject({ state: 'building' })
      await subject.reopen()
      await Promise.all([built('t', 'n'), create('t', 'x', { n: 4 }), write([{ kind: 'delete', table: 't', id: '4' }])])
      const fours = await ids({ table: 't', conditions: where('n', { '=': 4 }) })
      expect(fours).toHaveLength(300)
      expect(fours).toContain('x')
      expect(await ids({ table: 't', orderBy: by('n') })).toHaveLength(3_000)
    })

    it('drops a table at once, and makes a new one of the same name', async () => {
      for (let n = 0; n < 10; n += 1) await create('t', String(n), { n })
      await built('t', 'n')
      expect(await read('t', '4')).toMatchObject({ data: { n: 4 } })
      await subject.store.dropTable('t')
      expect(await subject.store.table('t')).toBeUndefined()
      expect(await ids({ table: 't' })).toEqual([])
      await expect(subject.store.dropTable('t')).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' })
      expect(await read('t', '3')).toBeUndefined()
      await create('t', '3')
      expect(await ids({ table: 't' })).toEqual(['3'])
      expect(await read('t', '3')).toMatchObject({ version: 1, data: {} })
      expect(await read('t', '4')).toBeUndefined()
      expect(await subject.store.table('t')).toEqual({ table: 't', documents: 1, indexes: [] })
    })

    it('shows a table as it was at one moment', async () => {
      for (const id of ['a', 'b', 'c']) await create('t', id, 1)
      const snapshot = await subject.store.snapshot('t')
      await write([{ kind: 'delete', table: 't', id: 'b' }])
      await write([{ kind: 'put', table: 't', id: 'c', data: '2' }])
      await nextTurn()
      for (const _time of ['first', 'second']) {
        const seen: unknown[] = []
        for await (const texts of snapshot.documents()) {
          for (const text of texts)
            seen.push((JSON.parse(text) as StoredDocument).id, (JSON.parse(text) as StoredDocument).data)
        }
        expect(seen).toEqual(['a', 1, 'b', 1, 'c', 1])
      }
      snapshot.close()
      expect(idsOf(await documentsOf(subject.store, 't'))).toEqual(['a', 'c'])
      expect(await documentsOf(subject.store, 'none')).toEqual([])
    })

    it('trims the log, and with the event of a deletion forgets the version', async () => {
      await create('t', 'a')
      await write([{ kind: 'delete', table: 't', id: 'a' }])
      await create('t', 'b')
      const [, , third] = await events()
      const future = new Date(Date.now() + 60_000).toISOString()
      expect(await subject.store.trimLog({ before: third!.time, through: 0 })).toBe(0)
      expect(await subject.store.trimLog({ before: '2000-01-01T00:00:00.000Z', through: 3 })).toBe(0)
      expect(await subject.store.trimLog({ before: future, through: 2 })).toBe(2)
      expect(await subject.store.logBounds()).toEqual({ first: 3, last: 3 })
      expect(await create('t', 'a')).toMatchObject([{ version: 1 }])
      expect(await subject.store.trimLog({ before: future, through: 9 })).toBe(2)
      expect(await subject.store.logBounds()).toEqual({ first: 5, last: 4 })
      await subject.reopen()
      await create('t', 'c')
      expect(await subject.store.logBounds()).toEqual({ first: 5, last: 5 })
    })

    it('treats keys that mean something to JavaScript as any other', async () => {
      const data = '{"__proto__":{"polluted":true},"constructor":{"prototype":{}},"toString":1}'
      await write([{ kind: 'create', table: 't', id: 'a', data }])
      await built('t', '__proto__.polluted')
      await write([{ kind: 'patch', table: 't', id: 'a', patch: '{"__proto__":{"more":1}}' }])
      expect((await subject.store.get('t', 'a'))!.text).toContain('"__proto__":{"polluted":true,"more":1}')
      expect(await ids({ table: 't', conditions: where('__proto__.polluted', { '=': true }) })).toEqual(['a'])
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
    })

    it('finishes what it was given when it is closed, and refuses more', async () => {
      const pending = create('t', 'a')
      const closing = subject.store.close()
      await expect(subject.store.write([{ kind: 'delete', table: 't', id: 'a' }])).rejects.toMatchObject({
        code: 'SHUTTING_DOWN',
      })
      await pending
      await closing
      await subject.reopen()
      expect(await read('t', 'a')).toBeDefined()
    })

    describe('queries', () => queryContract({ storeOf: () => subject.store, write, ids, built }))
  })
}
