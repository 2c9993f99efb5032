import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DocumentStore, WriteOperation } from '../documents/index.ts'
import { openLmdbStore } from './lmdb-store.ts'

let dataFolder: string
let store: DocumentStore

const open = () =>
  openLmdbStore({
    dataFolder,
    source: '/ryo-faas/test/store',
    threadEntry: new URL('../thread-main.ts', import.meta.url),
  })

beforeAll(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'store-'))
  store = await open()
})
afterAll(async () => {
  await store.close()
  await rm(dataFolder, { recursive: true, force: true })
})

const create = (id: string): WriteOperation => ({ kind: 'create', table: 'many', id, data: '{"a":1}' })

test('what a thread writes is answered in order, and read by whoever is answered', async () => {
  const answered: string[] = []
  await Promise.all(
    Array.from({ length: 300 }, async (_, i) => {
      const id = `d${i}`
      const outcome = await store.write([create(id)])
      expect(outcome).toMatchObject({ kind: 'written', written: [{ change: 'new-doc', id, version: 1 }] })
      expect((await store.get('many', id))?.version).toBe(1)
      answered.push(id)
    }),
  )
  expect(answered).toEqual(Array.from({ length: 300 }, (_, i) => `d${i}`))
})

test('every kind of write and its outcome passes between the threads', async () => {
  await store.write([{ kind: 'put', table: 't', id: 'a', data: '{"n":1}' }])
  await store.write([{ kind: 'patch', table: 't', id: 'a', patch: '{"m":2}', condition: 1 }])
  expect(JSON.parse((await store.get('t', 'a'))!.text)).toMatchObject({ version: 2, data: { n: 1, m: 2 } })
  expect(await store.write([{ kind: 'put', table: 't', id: 'a', data: '1', condition: 'none' }])).toMatchObject({
    kind: 'refused',
    code: 'PRECONDITION_FAILED',
    version: 2,
  })
  await store.write([{ kind: 'delete', table: 't', id: 'a', condition: 'any' }])
  expect(await store.get('t', 'a')).toBeUndefined()
  await store.write([{ kind: 'import', table: 't', id: 'b', data: '{}', version: 9 }], { isMuted: true })
  expect((await store.get('t', 'b'))?.version).toBe(9)
  await store.write([create('of-a-trigger')], { depth: 3 })
  const { last } = await store.logBounds()
  expect(JSON.parse((await store.event(last))!.text)).toMatchObject({ eventdepth: 3, data: { id: 'of-a-trigger' } })
})

test('an index is built while writes never pause', async () => {
  await Promise.all(Array.from({ length: 1_000 }, (_, i) => store.write([create(`old${i}`)])))
  // All at once: the writer has no moment without a command until the last of them.
  const declared = store.declareIndex('many', 'a')
  const writes = Array.from({ length: 10_000 }, () => store.write([{ kind: 'create', table: 'other', data: '1' }]))
  const again = store.declareIndex('many', 'a')
  expect((await declared).state).toBe('building')
  expect((await again).state).toBe('ready')
  await Promise.all(writes)
})

test('what is waited for at the end is on disk and answered', async () => {
  const last = Array.from({ length: 100 }, (_, i) => store.write([create(`last${i}`)]))
  await store.close()
  expect((await Promise.all(last)).every(({ kind }) => kind === 'written')).toBe(true)
  await expect(store.write([create('late')])).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
  store = await open()
  expect((await store.get('many', 'last99'))?.version).toBe(1)
})
