/** Several stores on one database, and what is refused at their start. */
import type { DocumentCloudEvent } from '@ryo-faas/runtime/protocol'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { PASSWORD, TestPostgres } from '../../../../test/support/postgres.ts'
import type { DocumentStore } from '../documents/index.ts'
import { eventsOf } from '../documents/testing/reading.ts'
import { openPostgresStore } from './postgres-store.ts'

let postgres: TestPostgres
const opened: DocumentStore[] = []
beforeAll(async () => {
  postgres = await TestPostgres.start()
})
afterAll(() => postgres.remove())
afterEach(async () => {
  await Promise.all(opened.splice(0).map(store => store.close()))
  await postgres.sql('DROP SCHEMA IF EXISTS ryo_faas CASCADE')
})

async function open(url = postgres.url()): Promise<DocumentStore> {
  const store = await openPostgresStore({ database: url, dataFolder: '', source: '/test' })
  opened.push(store)
  return store
}

it('makes its tables once, however many start at the same time', async () => {
  const stores = await Promise.all(Array.from({ length: 6 }, () => open()))
  expect(new Set(await Promise.all(stores.map(store => store.epoch()))).size).toBe(1)
})

it('has one log without gaps, in which each document’s events are in order, whoever writes', async () => {
  const stores = await Promise.all(Array.from({ length: 3 }, () => open()))
  const seen: number[] = []
  const stop = new AbortController()
  const following = (async () => {
    for await (const entries of stores[2]!.changes({ from: 1, signal: stop.signal })) {
      seen.push(...entries.map(({ sequence }) => sequence))
    }
  })()
  const writer = async (store: DocumentStore, number: number) => {
    for (let n = 0; n < 20; n += 1) {
      await store.write([{ kind: 'put', table: 't', id: 'shared', data: `"${number}.${n}"` }])
      await store.write([{ kind: 'create', table: `t${number}`, data: '1' }])
    }
  }
  await Promise.all([...stores, ...stores].map(writer))
  await expect.poll(() => seen.length).toBe(240)
  stop.abort()
  await following
  expect(seen).toEqual(Array.from({ length: 240 }, (_, n) => n + 1))
  const events = (await eventsOf(stores[0]!, { table: 't' })).map(({ text }) => JSON.parse(text) as DocumentCloudEvent)
  expect(events.map(({ data }) => data.version)).toEqual(Array.from({ length: 120 }, (_, n) => n + 1))
  for (const [at, { data }] of events.entries()) expect(data.before).toEqual(events[at - 1]?.data.after)
})

it('goes on where another store was in the middle of an index, and knows what others declared and dropped', async () => {
  const [one, other] = [await open(), await open()]
  await one.write([{ kind: 'create', table: 't', id: 'a', data: '{"n":1}' }])
  await one.declareIndex('t', 'n')
  await expect
    .poll(async () => (await other.table('t'))!.indexes)
    .toEqual([{ field: 'n', state: 'ready', documents: 1 }])
  await other.dropTable('t')
  expect(await one.get('t', 'a')).toBeUndefined()
  await one.write([{ kind: 'create', table: 't', id: 'a', data: '{"n":2}' }])
  expect(await other.get('t', 'a')).toMatchObject({ version: 1 })
  await expect
    .poll(async () => (await postgres.sql('SELECT count(*)::int AS n FROM ryo_faas.documents')).rows)
    .toEqual([{ n: 1 }])
})

it('refuses a schema of a later version', async () => {
  await open()
  await postgres.sql('UPDATE ryo_faas.schema_version SET version = 99')
  await expect(open()).rejects.toMatchObject({
    code: 'BAD_DATABASE',
    message: expect.stringMatching(/version 99.*newer ryo-faas/),
  })
})

it.each([
  ['a wrong password', () => postgres.url('postgres', 'admin:wrong'), /admin@127.*Check user and password/],
  ['no password', () => postgres.url('postgres', 'admin'), /PGPASSWORD/],
  ['no such database', () => postgres.url('nowhere'), /CREATE DATABASE/],
  ['nobody listens', () => 'postgres://admin:secret@127.0.0.1:1/x', /nothing listens there.*check host and port/],
  ['no such host', () => 'postgres://admin:secret@host.invalid/x', /host is not known/],
  ['a certificate that is asked for', () => `${postgres.url()}?sslmode=require`, /could not be secured/],
])('says what to do: %s', async (_, url, expected) => {
  const problem = await open(url()).catch((error: Error) => error)
  expect(problem).toMatchObject({ code: 'BAD_DATABASE', message: expect.stringMatching(expected) })
  expect((problem as Error).message).not.toMatch(/secret|wrong|pass word/)
})

it('says which rights a role lacks, and works with a schema that it was given', async () => {
  await postgres.sql(`CREATE ROLE plain LOGIN PASSWORD '${PASSWORD}' CONNECTION LIMIT 20`)
  const url = postgres.url('postgres', `plain:${encodeURIComponent(PASSWORD)}`)
  await expect(open(url)).rejects.toMatchObject({ message: expect.stringMatching(/GRANT CREATE ON DATABASE/) })
  await postgres.sql('CREATE SCHEMA ryo_faas AUTHORIZATION plain')
  const store = await open(url)
  await store.write([{ kind: 'create', table: 't', id: 'a', data: '{"n":1}' }])
  await store.declareIndex('t', 'n')
  await expect.poll(async () => (await store.table('t'))!.indexes[0]!.state).toBe('ready')
  await postgres.sql('ALTER ROLE plain CONNECTION LIMIT 0')
  await expect(open(url)).rejects.toMatchObject({ message: expect.stringMatching(/connection limit of the role/) })
})
