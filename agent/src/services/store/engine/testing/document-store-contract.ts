/** What every `DocumentStore` must do, whatever it is made of. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { DocumentCloudEvent, StoredDocument } from '@ryo-faas/runtime/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DocumentStore, WriteContext, WriteOperation, Written } from '../document-store.ts'
import { orderKey } from '../order-key.ts'

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
    const read = (table: string, id: string) => {
      const found = subject.store.get(table, id)
      return found && (JSON.parse(found.text) as StoredDocument)
    }
    const events = (table?: string) =>
      subject.store
        .readLog({ from: 1, limit: 10_000, ...(table !== undefined && { table }) })
        .entries.map(({ text }) => JSON.parse(text) as DocumentCloudEvent)
    const ids = (options: Omit<Parameters<DocumentStore['scan']>[0], 'limit'> & { limit?: number }) =>
      subject.store.scan({ limit: 1_000, ...options }).map(({ id }) => id)
    const built = async (table: string, field: string) => {
      await subject.store.declareIndex(table, field)
      while (subject.store.table(table)!.indexes.some(({ state }) => state === 'building')) await nextTurn()
    }

    it('keeps what is written, and answers it as it is kept', async () => {
      const [written] = await create('notes', 'n1', { text: 'ä😀', list: [1, null, true] })
      expect(written).toMatchObject({ change: 'new-doc', id: 'n1', version: 1 })
      expect(JSON.parse(written!.document)).toMatchObject({ id: 'n1', table: 'notes', version: 1 })
      expect(read('notes', 'n1')).toEqual(JSON.parse(written!.document))
      expect(read('notes', 'n1')!.data).toEqual({ text: 'ä😀', list: [1, null, true] })
      expect(subject.store.get('notes', 'other')).toBeUndefined()
      expect(subject.store.get('others', 'n1')).toBeUndefined()
    })

    it('gives a document without an id one that sorts behind those before it', async () => {
      const operations: WriteOperation[] = Array.from({ length: 20 }, () => ({ kind: 'create', table: 't', data: '1' }))
      const written = [...(await write(operations)), ...(await write(operations))].map(({ id }) => id)
      expect(new Set(written).size).toBe(40)
      expect([...written].sort()).toEqual(written)
      expect(ids({ table: 't' })).toEqual(written)
    })

    it('counts versions, keeps the time of creation, and goes on counting after a deletion', async () => {
      await create('t', 'a', { n: 1 })
      const first = read('t', 'a')!
      await write([{ kind: 'put', table: 't', id: 'a', data: '{"n":2}' }])
      await write([{ kind: 'patch', table: 't', id: 'a', patch: '{"m":{"x":1}}' }])
      expect(read('t', 'a')).toMatchObject({ version: 3, createdAt: first.createdAt, data: { n: 2, m: { x: 1 } } })
      expect(await write([{ kind: 'delete', table: 't', id: 'a' }])).toMatchObject([
        { change: 'deleted-doc', version: 4 },
      ])
      expect(read('t', 'a')).toBeUndefined()
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
      expect(read('t', 'a')!.data).toBe('old')
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
      expect(read('t', 'a')!.data).toEqual({ n: 1 })
      expect(subject.store.table('u')).toBeUndefined()
      expect(events()).toHaveLength(1)

      await write([
        { kind: 'create', table: 'u', id: 'b', data: '{}' },
        { kind: 'delete', table: 'u', id: 'b' },
        { kind: 'put', table: 'u', id: 'b', data: '{"again":true}', condition: 'none' },
        { kind: 'patch', table: 'u', id: 'b', patch: '{"more":1}', condition: 3 },
      ])
      expect(read('u', 'b')).toMatchObject({ version: 4, data: { again: true, more: 1 } })
      expect(subject.store.table('u')).toMatchObject({ documents: 1 })
      expect(events('u').map(({ data }) => [data.kind, data.version])).toEqual([
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
        expect(read('t', 'a')).toMatchObject({ version: version + 1, data: winners[0] })
      }
    })

    it('writes an event for each change, in the shape that travels', async () => {
      const trace = {
        depth: 3,
        traceparent: '00-11111111111111111111111111111111-2222222222222222-01',
        tracestate: 'a=b',
      }
      await write([{ kind: 'create', table: 'a/b', id: 'x y', data: '{"n":1}' }], trace)
      await write([{ kind: 'put', table: 'a/b', id: 'x y', data: '{"n":2}' }])
      await write([{ kind: 'delete', table: 'a/b', id: 'x y' }])
      const [created, updated, deleted] = events()
      expect(created).toEqual({
        ...{ specversion: '1.0', id: '1', sequence: '1', source: created!.source },
        ...{ type: 'ryo-faas.store.new-doc', subject: 'a%2Fb/x%20y', datacontenttype: 'application/json' },
        ...{ time: created!.data.after!.editedAt, eventdepth: 3 },
        ...{ traceparent: trace.traceparent, tracestate: 'a=b' },
        data: { kind: 'new-doc', table: 'a/b', id: 'x y', version: 1, after: created!.data.after },
      })
      expect(created!.data.after).toMatchObject({ id: 'x y', table: 'a/b', version: 1, data: { n: 1 } })
      expect(updated).toMatchObject({ sequence: '2', eventdepth: 0, data: { kind: 'updated-doc', version: 2 } })
      expect(updated!.data.before).toEqual(created!.data.after)
      expect(updated!.data.after).toMatchObject({ version: 2, data: { n: 2 } })
      expect(deleted).toMatchObject({ sequence: '3', data: { kind: 'deleted-doc', version: 3 } })
      expect(deleted!.data.before).toEqual(updated!.data.after)
      expect(deleted!.data).not.toHaveProperty('after')
      expect(subject.store.event(2)!.text).toBe(JSON.stringify(updated))
      expect(subject.store.event(4)).toBeUndefined()
    })

    it('numbers events over all tables without gaps, also after it was opened again', async () => {
      for (let round = 0; round < 3; round += 1) {
        await Promise.all(Array.from({ length: 30 }, (_, n) => create(`t${n % 3}`, `${round}-${n}`)))
        await subject.reopen()
      }
      expect(events().map(({ sequence }) => Number(sequence))).toEqual(Array.from({ length: 90 }, (_, n) => n + 1))
      expect(events('t1')).toHaveLength(30)
      expect(subject.store.logBounds()).toEqual({ first: 1, last: 90 })
      expect(subject.store.readLog({ from: 85, limit: 3 })).toMatchObject({ through: 87, entries: { length: 3 } })
      expect(subject.store.readLog({ from: 91, limit: 3 })).toEqual({ through: 90, entries: [] })
    })

    it('reads of large events a few at once, and trims them whatever their size', async () => {
      const data = JSON.stringify('x'.repeat(1_000_000))
      for (let i = 0; i < 10; i += 1) await write([{ kind: 'put', table: 't', id: 'a', data }])
      await write([{ kind: 'delete', table: 't', id: 'a' }])
      const sequences: number[] = []
      for (let from = 1; from <= 11;) {
        const { entries, through } = subject.store.readLog({ from, limit: 100 })
        expect(entries.length).toBeLessThan(10)
        sequences.push(...entries.map(({ sequence }) => sequence))
        from = through + 1
      }
      expect(sequences).toEqual(Array.from({ length: 11 }, (_, n) => n + 1))
      expect(await subject.store.trimLog({ before: '9999', through: 11 })).toBe(11)
      expect(subject.store.logBounds()).toEqual({ first: 12, last: 11 })
    })

    it('tells of commits, after they can be read', async () => {
      const seen: number[] = []
      const forget = subject.store.onCommit(last => {
        expect(subject.store.event(last)).toBeDefined()
        seen.push(last)
      })
      await create('t', 'a')
      await write([{ kind: 'import', table: 't', id: 'muted', data: '1' }], { isMuted: true })
      await create('t', 'b')
      forget()
      await create('t', 'c')
      expect(seen).toEqual([1, 2])
    })

    it('takes documents over as they were, without events if it is told so', async () => {
      const past = { version: 7, createdAt: '2020-01-02T03:04:05.678Z', editedAt: '2021-01-02T03:04:05.678Z' }
      await write([{ kind: 'import', table: 't', id: 'a', data: '{"n":1}', ...past }], { isMuted: true })
      expect(read('t', 'a')).toMatchObject({ ...past, data: { n: 1 } })
      expect(events()).toEqual([])
      await write([{ kind: 'import', table: 't', id: 'a', data: '{"n":2}' }])
      expect(read('t', 'a')).toMatchObject({ version: 8, data: { n: 2 } })
      expect(events().map(({ data }) => data.kind)).toEqual(['updated-doc'])
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
        expect(subject.store.table(table)).toMatchObject({ documents: names.length })
        expect(ids({ table }).sort()).toEqual([...names].sort())
        for (const id of names) expect(read(table, id)).toMatchObject({ id, table, data: { table, id } })
        expect(events(table)).toHaveLength(names.length)
      }
      expect(
        subject.store
          .tables()
          .map(({ table }) => table)
          .sort(),
      ).toEqual([...names].sort())
    })

    it('walks a table by ids, both ways, from any place', async () => {
      for (const id of ['c', 'a', 'e', 'b', 'd']) await create('t', id)
      await create('s', 'x')
      await create('u', 'y')
      expect(ids({ table: 't' })).toEqual(['a', 'b', 'c', 'd', 'e'])
      expect(ids({ table: 't', isDescending: true })).toEqual(['e', 'd', 'c', 'b', 'a'])
      expect(ids({ table: 't', after: { id: 'b' }, limit: 2 })).toEqual(['c', 'd'])
      expect(ids({ table: 't', after: { id: 'b' }, isDescending: true })).toEqual(['a'])
      await write([{ kind: 'delete', table: 't', id: 'c' }])
      expect(ids({ table: 't', after: { id: 'c' } })).toEqual(['d', 'e'])
      expect(ids({ table: 't', after: { id: 'c' }, isDescending: true })).toEqual(['b', 'a'])
    })

    it('keeps an index up through every kind of write', async () => {
      for (const [id, n] of Object.entries({ a: 3, b: 1, c: 2 })) await create('t', id, { n })
      await built('t', 'n')
      const sorted = () => ids({ table: 't', index: 'n' })
      expect(sorted()).toEqual(['b', 'c', 'a'])
      await create('t', 'd', { n: 1.5 })
      await create('t', 'e', {})
      await write([{ kind: 'put', table: 't', id: 'b', data: '{"n":9}' }])
      await write([{ kind: 'patch', table: 't', id: 'a', patch: '{"n":0}' }])
      await write([{ kind: 'import', table: 't', id: 'f', data: '{"n":-1}' }])
      await write([{ kind: 'delete', table: 't', id: 'c' }])
      expect(sorted()).toEqual(['e', 'f', 'a', 'd', 'b'])
      expect(ids({ table: 't', index: 'n', isDescending: true })).toEqual(['b', 'd', 'a', 'f', 'e'])
      expect(ids({ table: 't', index: 'n', from: orderKey(0), to: orderKey(9) })).toEqual(['a', 'd'])
      expect(ids({ table: 't', index: 'n', after: { value: orderKey(0), id: 'a' } })).toEqual(['d', 'b'])
      expect(subject.store.table('t')!.indexes).toEqual([{ field: 'n', state: 'ready', documents: 5 }])
      await subject.store.dropIndex('t', 'n')
      expect(subject.store.table('t')!.indexes).toEqual([])
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
      const fours = ids({ table: 't', index: 'n', from: orderKey(4), to: orderKey(5) })
      expect(fours).toHaveLength(300)
      expect(fours).toContain('x')
      expect(ids({ table: 't', index: 'n', limit: 5_000 })).toHaveLength(3_000)
    })

    it('drops a table at once, and makes a new one of the same name', async () => {
      for (let n = 0; n < 10; n += 1) await create('t', String(n), { n })
      await built('t', 'n')
      expect(read('t', '4')).toMatchObject({ data: { n: 4 } })
      await subject.store.dropTable('t')
      expect(subject.store.table('t')).toBeUndefined()
      expect(ids({ table: 't' })).toEqual([])
      await expect(subject.store.dropTable('t')).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' })
      expect(read('t', '3')).toBeUndefined()
      await create('t', '3')
      expect(ids({ table: 't' })).toEqual(['3'])
      expect(read('t', '3')).toMatchObject({ version: 1, data: {} })
      expect(read('t', '4')).toBeUndefined()
      expect(subject.store.table('t')).toEqual({ table: 't', documents: 1, indexes: [] })
    })

    it('shows a table as it was at one moment', async () => {
      for (const id of ['a', 'b', 'c']) await create('t', id, 1)
      const snapshot = subject.store.snapshot('t')
      await write([{ kind: 'delete', table: 't', id: 'b' }])
      await write([{ kind: 'put', table: 't', id: 'c', data: '2' }])
      await nextTurn()
      const documents = [...snapshot].map(text => JSON.parse(text) as StoredDocument)
      snapshot.close()
      expect(documents.map(({ id, data }) => [id, data])).toEqual([
        ['a', 1],
        ['b', 1],
        ['c', 1],
      ])
      const empty = subject.store.snapshot('none')
      expect([...empty]).toEqual([])
      empty.close()
    })

    it('trims the log, and with the event of a deletion forgets the version', async () => {
      await create('t', 'a')
      await write([{ kind: 'delete', table: 't', id: 'a' }])
      await create('t', 'b')
      const [, , third] = events()
      const future = new Date(Date.now() + 60_000).toISOString()
      expect(await subject.store.trimLog({ before: third!.time, through: 0 })).toBe(0)
      expect(await subject.store.trimLog({ before: '2000-01-01T00:00:00.000Z', through: 3 })).toBe(0)
      expect(await subject.store.trimLog({ before: future, through: 2 })).toBe(2)
      expect(subject.store.logBounds()).toEqual({ first: 3, last: 3 })
      expect(await create('t', 'a')).toMatchObject([{ version: 1 }])
      expect(await subject.store.trimLog({ before: future, through: 9 })).toBe(2)
      expect(subject.store.logBounds()).toEqual({ first: 5, last: 4 })
      await subject.reopen()
      await create('t', 'c')
      expect(subject.store.logBounds()).toEqual({ first: 5, last: 5 })
    })

    it('treats keys that mean something to JavaScript as any other', async () => {
      const data = '{"__proto__":{"polluted":true},"constructor":{"prototype":{}},"toString":1}'
      await write([{ kind: 'create', table: 't', id: 'a', data }])
      await built('t', '__proto__.polluted')
      await write([{ kind: 'patch', table: 't', id: 'a', patch: '{"__proto__":{"more":1}}' }])
      expect(subject.store.get('t', 'a')!.text).toContain('"__proto__":{"polluted":true,"more":1}')
      expect(ids({ table: 't', index: '__proto__.polluted', from: orderKey(true) })).toEqual(['a'])
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
      expect(read('t', 'a')).toBeDefined()
    })
  })
}
