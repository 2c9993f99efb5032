/** What the log of every `DocumentStore` must do; a part of `documentStoreContract`. */
import type { DocumentCloudEvent } from '@ryo-faas/runtime/protocol'
import { expect, it } from 'vitest'
import type { WriteContext, WriteOperation, Written } from '../index.ts'
import type { StoreUnderTest } from './document-store-contract.ts'
import { eventsOf } from './reading.ts'

export interface LogTools {
  subjectOf(): StoreUnderTest
  /** Fails if nothing was written. */
  write(operations: WriteOperation[], context?: WriteContext): Promise<Written[]>
  create(table: string, id: string, data?: unknown): Promise<Written[]>
  /** Everything in the log, or of one table. */
  events(table?: string): Promise<DocumentCloudEvent[]>
}

export function logContract({ subjectOf, write, create, events }: LogTools): void {
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
    expect((await subjectOf().store.event(2))!.text).toBe(JSON.stringify(updated))
    expect(await subjectOf().store.event(4)).toBeUndefined()
  })

  it('numbers events over all tables without gaps, also after it was opened again', async () => {
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(Array.from({ length: 30 }, (_, n) => create(`t${n % 3}`, `${round}-${n}`)))
      await subjectOf().reopen()
    }
    expect((await events()).map(({ sequence }) => Number(sequence))).toEqual(
      Array.from({ length: 90 }, (_, n) => n + 1),
    )
    expect(await events('t1')).toHaveLength(30)
    expect(await subjectOf().store.logBounds()).toEqual({ first: 1, last: 90 })
    expect((await eventsOf(subjectOf().store, { from: 85 })).map(({ sequence }) => sequence)).toEqual([
      85, 86, 87, 88, 89, 90,
    ])
    expect(await eventsOf(subjectOf().store, { from: 91 })).toEqual([])
  })

  it('reads of large events a few at once, and trims them whatever their size', async () => {
    const data = JSON.stringify('x'.repeat(1_000_000))
    for (let i = 0; i < 10; i += 1) await write([{ kind: 'put', table: 't', id: 'a', data }])
    await write([{ kind: 'delete', table: 't', id: 'a' }])
    const sequences: number[] = []
    for await (const entries of subjectOf().store.changes({ from: 1, signal: new AbortController().signal })) {
      expect(entries.length).toBeLessThan(10)
      sequences.push(...entries.map(({ sequence }) => sequence))
      if (sequences.length >= 11) break
    }
    expect(sequences).toEqual(Array.from({ length: 11 }, (_, n) => n + 1))
    expect(await subjectOf().store.trimLog({ before: '9999', through: 11 })).toBe(11)
    expect(await subjectOf().store.logBounds()).toEqual({ first: 12, last: 11 })
  })

  it('tells of commits, after they can be read, until it is told to stop', async () => {
    const stop = new AbortController()
    const seen: number[] = []
    const ended = (async () => {
      for await (const entries of subjectOf().store.changes({ from: 1, signal: stop.signal })) {
        for (const entry of entries) {
          expect(await subjectOf().store.event(entry.sequence)).toEqual(entry)
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
        for await (const entries of subjectOf().store.changes({ ...options, signal: stop.signal })) {
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
    expect(await subjectOf().store.checkpoint('relay')).toBeUndefined()
    const epoch = await subjectOf().store.epoch()
    expect(epoch).toMatch(/^[\w-]{8,}$/)
    await subjectOf().store.saveCheckpoint('relay', { sequence: 7 })
    await subjectOf().reopen()
    expect(await subjectOf().store.checkpoint('relay')).toEqual({ sequence: 7 })
    expect(await subjectOf().store.epoch()).toBe(epoch)
    expect(await subjectOf().store.logBounds()).toEqual({ first: 1, last: 0 })
  })
}
