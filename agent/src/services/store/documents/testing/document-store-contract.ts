/** What every `DocumentStore` must do, whatever it is made of. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { DocumentCloudEvent, StoredDocument } from '@ryo-faas/runtime/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  compareValues,
  type Condition,
  type DocumentStore,
  matches,
  type Order,
  parseFieldPath,
  type Query,
  valueAt,
  type WriteContext,
  type WriteOperation,
  type Written,
} from '../index.ts'
import { documentsOf, eventsOf, found } from './reading.ts'

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

    it('writes an event for each change, in the shape that travels', async () => {
      const trace = {
        depth: 3,
        traceparent: '00-11111111111111111111111111111111-2222222222222222-01',
        tracestate: 'a=b',
      }
      await write([{ kind: 'create', table: 'a/b', id: 'x y', data: '{"n":1}' }], trace)
      await write([{ kind: 'put', table: 'a/b', id: 'x y', data: '{"n":2}' }])
      await write([{ kind: 'delete', table: 'a/b', id: 'x y' }])
      const [created, updated, deleted] = await events()
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
      expect((await subject.store.event(2))!.text).toBe(JSON.stringify(updated))
      expect(await subject.store.event(4)).toBeUndefined()
    })

    it('numbers events over all tables without gaps, also after it was opened again', async () => {
      for (let round = 0; round < 3; round += 1) {
        await Promise.all(Array.from({ length: 30 }, (_, n) => create(`t${n % 3}`, `${round}-${n}`)))
        await subject.reopen()
      }
      expect((await events()).map(({ sequence }) => Number(sequence))).toEqual(
        Array.from({ length: 90 }, (_, n) => n + 1),
      )
      expect(await events('t1')).toHaveLength(30)
      expect(await subject.store.logBounds()).toEqual({ first: 1, last: 90 })
      expect((await eventsOf(subject.store, { from: 85 })).map(({ sequence }) => sequence)).toEqual([
        85, 86, 87, 88, 89, 90,
      ])
      expect(await eventsOf(subject.store, { from: 91 })).toEqual([])
    })

    it('reads of large events a few at once, and trims them whatever their size', async () => {
      const data = JSON.stringify('x'.repeat(1_000_000))
      for (let i = 0; i < 10; i += 1) await write([{ kind: 'put', table: 't', id: 'a', data }])
      await write([{ kind: 'delete', table: 't', id: 'a' }])
      const sequences: number[] = []
      for await (const entries of subject.store.changes({ from: 1, signal: new AbortController().signal })) {
        expect(entries.length).toBeLessThan(10)
        sequences.push(...entries.map(({ sequence }) => sequence))
        if (sequences.length >= 11) break
      }
      expect(sequences).toEqual(Array.from({ length: 11 }, (_, n) => n + 1))
      expect(await subject.store.trimLog({ before: '9999', through: 11 })).toBe(11)
      expect(await subject.store.logBounds()).toEqual({ first: 12, last: 11 })
    })

    it('tells of commits, after they can be read, until it is told to stop', async () => {
      const stop = new AbortController()
      const seen: number[] = []
      const ended = (async () => {
        for await (const entries of subject.store.changes({ from: 1, signal: stop.signal })) {
          for (const entry of entries) {
            expect(await subject.store.event(entry.sequence)).toEqual(entry)
            seen.push(entry.sequence)
          }
        }
      })()
      await create('t', 'a')
      await expect.poll(() => seen).toEqual([1])
      await write([{ kind: 'import', table: 't', id: 'muted', data: '1' }], { isMuted: true })
      await create('t', 'b')
      await expect.poll(() => seen).toEqual([1, 2])
      stop.abort()
      await ended
      await create('t', 'c')
      expect(seen).toEqual([1, 2])
    })

    it('lets several follow the log, each from its place and at its pace, one table or all', async () => {
      for (let n = 0; n < 3; n += 1) await create('t', String(n))
      const stop = new AbortController()
      const follow = (options: { from: number; table?: string }) => {
        const seen: number[] = []
        const run = async () => {
          for await (const entries of subject.store.changes({ ...options, signal: stop.signal })) {
            for (const { sequence } of entries) seen.push(sequence)
          }
        }
        return { seen, ended: run() }
      }
      const [all, late, ofTable] = [follow({ from: 1 }), follow({ from: 5 }), follow({ from: 2, table: 't' })]
      for (let n = 0; n < 300; n += 1) await create(n % 2 === 0 ? 'u' : 't', `more-${n}`)
      await expect.poll(() => [all.seen.length, late.seen.length, ofTable.seen.length]).toEqual([303, 299, 152])
      expect(all.seen).toEqual(Array.from({ length: 303 }, (_, n) => n + 1))
      expect(late.seen).toEqual(all.seen.slice(4))
      expect(ofTable.seen.slice(0, 4)).toEqual([2, 3, 5, 7])
      stop.abort()
      await Promise.all([all.ended, late.ended, ofTable.ended])
    })

    it('keeps the place of a reader of the log, and the mark of the log', async () => {
      expect(await subject.store.checkpoint('relay')).toBeUndefined()
      const epoch = await subject.store.epoch()
      expect(epoch).toMatch(/^[\w-]{8,}$/)
      await subject.store.saveCheckpoint('relay', { sequence: 7 })
      await subject.reopen()
      expect(await subject.store.checkpoint('relay')).toEqual({ sequence: 7 })
      expect(await subject.store.epoch()).toBe(epoch)
      expect(await subject.store.logBounds()).toEqual({ first: 1, last: 0 })
    })

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

    describe('queries', () => {
      let all: StoredDocument[]
      beforeEach(async () => {
        const next = chance(7)
        const pick = (values: unknown[]) => values[Math.floor(next() * values.length)]
        const mixed = [null, false, true, 1, 2.5, -3, '', 'a', 'b', 'ä', '10', [1], { x: 1 }]
        const operations = Array.from({ length: 200 }, (_, n): WriteOperation => {
          const data = {
            n: Math.floor(next() * 50) - 25,
            ...(next() < 0.9 && { mixed: pick(mixed) }),
            nested: { city: pick(['Kiel', 'Bonn', 'Köln', '😀']), tags: [pick(['new', 'old']), n % 3] },
          }
          return { kind: 'create', table: 't', id: `id-${Math.floor(next() * 1e9)}`, data: JSON.stringify(data) }
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
          const page = await subject.store.query({ ...query, ...(cursor !== undefined && { cursor }) })
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
          subject.store.query({
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
          const first = await subject.store.query(query)
          const second = await subject.store.query({ ...query, cursor: first.cursor! })
          expect(first.documents.length).toBeLessThan(12)
          expect(first.documents.length + second.documents.length).toBe(12)
          expect(second.cursor).toBeUndefined()
        }
      })

      it('stop when nobody waits for them any more', async () => {
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
        await expect(subject.store.query(query, signal)).rejects.toThrow('gone')
      })
    })
  })
}

/** A field, with a minus in front if the order descends. */
function by(text: string): Order {
  return { field: parseFieldPath(text.replace('-', '')), isDescending: text.startsWith('-') }
}

function where(field: string, operators: Partial<Record<Condition['operator'], unknown>>): Condition[] {
  return Object.entries(operators).map(
    ([operator, value]) => ({ field: parseFieldPath(field), operator, value }) as Condition,
  )
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

function idsOf(texts: readonly string[]): string[] {
  return texts.map(text => (JSON.parse(text) as StoredDocument).id)
}

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
