import http from 'node:http'
import { mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { AS_OPERATOR } from '../../../access/access-testing.ts'
import { openStore, restoreBackup } from '../registry.ts'
import { ask, Stage, until, type Answer } from '../store-testing.ts'
import type { Store } from '../store.ts'

let stage: Stage
let store: Store

beforeEach(async () => {
  stage = await Stage.open()
  store = await stage.store({ bodyLimitBytes: 100_000, importLimitBytes: 500_000 })
})
afterEach(() => stage.end())

const LINES = { 'content-type': 'application/x-ndjson' }
const send = (what: string, asked?: Parameters<typeof ask>[2]) => ask(store.port, what, asked)
const importLines = (body: string, query = '') => send(`POST /tables/t/import${query}`, { headers: LINES, body })
const lines = ({ text }: Answer) =>
  text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))
const last = async () => (await send('GET /log')).json.last as number

it('exports a table as lines, and takes them over as they were', async () => {
  for (let from = 0; from < 1_500; from += 500) {
    const operations = Array.from({ length: 500 }, (_, n) => ({ op: 'create', table: 's', data: { n: from + n } }))
    expect(await send('POST /batch', { body: { operations } })).toMatchObject({ status: 200 })
  }
  await send('PATCH /tables/s/docs/none', { body: {} })
  const exported = await send('GET /tables/s/export')
  expect(exported.headers['content-type']).toMatch('application/x-ndjson')
  expect(lines(exported)).toHaveLength(1_500)
  const before = await last()
  expect(await importLines(exported.text)).toMatchObject({
    status: 200,
    json: { imported: 1_500, created: 1_500, replaced: 0 },
  })
  expect(await importLines(exported.text)).toMatchObject({ json: { imported: 1_500, created: 0, replaced: 1_500 } })
  expect(await last()).toBe(before)
  const again = await send('GET /tables/t/export')
  expect(again.text).toBe(exported.text.replaceAll('"table":"s"', '"table":"t"'))
}, 30_000)

it('emits events for an import if it is asked to', async () => {
  await importLines('{"id":"a","data":1}\n{"id":"a","data":2}\n', '?events=true')
  expect(await last()).toBe(2)
  expect((await send('GET /changes/2')).json.data).toMatchObject({
    kind: 'updated-doc',
    before: { data: 1 },
    after: { data: 2 },
  })
})

it('takes a JSON file: a list of documents, of plain data, or an object of ids', async () => {
  const take = (table: string, body: unknown, query = '') => send(`POST /tables/${table}/import${query}`, { body })
  expect(await take('a', [{ id: 'x', version: 4, data: 1 }, { data: 2 }])).toMatchObject({ json: { imported: 2 } })
  expect((await send('GET /tables/a/docs/x')).json).toMatchObject({ version: 4, data: 1 })
  await take('b', [{ id: 7, title: 'seven' }, { title: 'none' }], '?plain=true')
  expect((await send('GET /tables/b/docs/7')).json.data).toEqual({ id: 7, title: 'seven' })
  await take('c', { one: { n: 1 }, two: 2 })
  expect((await send('GET /tables/c/docs/two')).json.data).toBe(2)
})

it('gives the data alone such that an import finds the same ids', async () => {
  const put = (place: string, data: unknown) => send(`PUT /tables/${place}`, { body: { data } })
  const taken = async (from: string, to: string) => {
    const { json } = await send(`GET /tables/${from}/export?plain=true`)
    await send(`POST /tables/${to}/import?plain=true`, { body: json })
    const { json: listed } = await send(`GET /tables/${to}/docs`)
    return { json, ids: listed.documents.map(({ id }: { id: string }) => id) }
  }
  await put('list/docs/one', { n: 1 })
  await put('list/docs/7', { id: 7, n: 2 })
  expect(await taken('list', 'list2')).toEqual({
    json: [
      { id: 7, n: 2 },
      { id: 'one', n: 1 },
    ],
    ids: ['7', 'one'],
  })
  await put('own/docs/a', { id: 'b' })
  await put('own/docs/b', { id: 'b' })
  expect(await taken('own', 'own2')).toEqual({ json: { a: { id: 'b' }, b: { id: 'b' } }, ids: ['a', 'b'] })
  await put('values/docs/a', 1)
  await put('values/docs/b', [null])
  expect(await taken('values', 'values2')).toEqual({ json: { a: 1, b: [null] }, ids: ['a', 'b'] })
})

it('takes what comes in small pieces, with blank lines, a byte order mark and no end of line', async () => {
  const body = Buffer.from('\uFEFF{"id":"a","data":"ä😀"}\r\n\n  \n{"id":"b","data":2}')
  const answer = await new Promise<number>(resolve => {
    const options = {
      port: store.port,
      host: '127.0.0.1',
      path: '/tables/t/import',
      method: 'POST',
      headers: { ...LINES, ...AS_OPERATOR },
    }
    const request = http.request(options, response => resolve(response.statusCode!))
    for (const byte of body) request.write(Uint8Array.of(byte))
    request.end()
  })
  expect(answer).toBe(200)
  expect((await send('GET /tables/t/docs/a')).json.data).toBe('ä😀')
  expect((await send('GET /tables/t/docs/b')).json.data).toBe(2)
})

it.each([
  ['{"id":"x","data":3', 'INVALID_JSON', { line: 4, column: 19 }],
  ['{"id":"x"}', 'INVALID_REQUEST', { line: 4 }],
  ['{"id":"","data":1}', 'INVALID_NAME', { line: 4 }],
  ['{"data":1,"version":0}', 'INVALID_REQUEST', { line: 4 }],
  ['{"data":1,"createdAt":"yesterday"}', 'INVALID_REQUEST', { line: 4 }],
  ['[1]', 'INVALID_REQUEST', { line: 4 }],
  [`"${'x'.repeat(300_000)}"`, 'BODY_TOO_LARGE', { line: 4 }],
])('says which line is wrong, and keeps those before it: %.40s', async (bad, code, place) => {
  const answer = await importLines(`{"id":"a","data":1}\n\n{"id":"b","data":2}\n${bad}\n{"id":"c","data":4}\n`)
  expect(answer.json.error).toMatchObject({ code, imported: 2, created: 2, ...place })
  expect(answer.json.error.message).toMatch(/^line 4\b.*2 documents before it were taken over$/)
  expect((await send('GET /tables/t')).json.documents).toBe(2)
})

it('says which entry of a file is wrong, and takes none that is too large or no JSON', async () => {
  const answer = await send('POST /tables/t/import', { body: [{ data: 1 }, { date: 2 }] })
  expect(answer.json.error).toMatchObject({ code: 'INVALID_REQUEST', entry: 1, imported: 1 })
  const large = await send('POST /tables/u/import', { body: JSON.stringify({ a: 'x'.repeat(600_000) }) })
  expect(large).toMatchObject({ status: 413, json: { error: { code: 'BODY_TOO_LARGE' } } })
  expect(await send('POST /tables/u/import', { body: '[1,' })).toMatchObject({
    status: 400,
    json: { error: { code: 'INVALID_JSON' } },
  })
  expect(await send('POST /tables/u/import', { body: '"text"' })).toMatchObject({
    json: { error: { code: 'INVALID_REQUEST' } },
  })
  expect(await importLines('{}', '?muted=false')).toMatchObject({ json: { error: { code: 'INVALID_QUERY' } } })
  expect(await importLines('{}', '?events=perhaps')).toMatchObject({ json: { error: { code: 'INVALID_QUERY' } } })
  const text = { headers: { 'content-type': 'text/csv' }, body: 'a,b' }
  expect(await send('POST /tables/u/import', text)).toMatchObject({ status: 415 })
})

it('keeps groups that are whole when an import is broken off', async () => {
  const options = {
    port: store.port,
    host: '127.0.0.1',
    path: '/tables/t/import',
    method: 'POST',
    headers: { ...LINES, ...AS_OPERATOR },
  }
  const request = http.request(options)
  request.on('error', () => undefined)
  for (let n = 0; n < 2_000; n += 1) request.write(`{"id":"${n}","data":${n}}\n`)
  const count = async () => Number((await send('GET /tables/t')).json.documents ?? 0)
  await until(async () => (await count()) >= 1_000, 'a part is taken over')
  request.destroy()
  expect((await count()) % 500).toBe(0)
  expect(await send('POST /tables/t/docs', { body: { data: 1 } })).toMatchObject({ status: 201 })
})

it('keeps its log in a backup, or begins a new one there with the documents and events of before', async () => {
  const dataFolder = join(stage.folder, 'other')
  const data = await openStore({ dataFolder, source: '' })
  const epoch = await data.epoch()
  await data.write([{ kind: 'put', table: 't', id: 'a', data: '1' }])
  const epochs: string[] = []
  for (const log of ['same', 'new'] as const) {
    const { path } = await data.backup!({ place: 'temporary', log })
    const copied = join(stage.folder, log)
    await mkdir(copied)
    await rename(path, join(copied, 'data'))
    const copy = await openStore({ dataFolder: copied, source: '' })
    epochs.push(await copy.epoch())
    expect(await copy.logBounds()).toEqual({ first: 1, last: 1 })
    await copy.close()
  }
  await data.close()
  expect(epochs[0]).toBe(epoch)
  expect(epochs[1]).not.toBe(epoch)
  const asked = await Promise.all(['false', 'true'].map(newLog => send(`POST /backup?temporary=true&newLog=${newLog}`)))
  expect(asked.map(({ status }) => status)).toEqual([201, 201])
})

it('backs up while it works, and is restored to that moment', async () => {
  for (const id of ['a', 'b']) await send(`PUT /tables/t/docs/${id}`, { body: { data: id } })
  const backup = await send('POST /backup')
  expect(backup).toMatchObject({
    status: 201,
    json: { path: expect.stringContaining('backups'), bytes: expect.any(Number) },
  })
  await send('DELETE /tables/t/docs/a')
  await send('PUT /tables/t/docs/b', { body: { data: 'later' } })
  await expect(restoreBackup(stage.dataFolder, backup.json.path)).rejects.toMatchObject({ code: 'DATA_IN_USE' })
  await store.close()
  await expect(restoreBackup(stage.dataFolder, stage.folder)).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
  const before = await restoreBackup(stage.dataFolder, backup.json.path)
  expect(await readdir(before!)).toContain('data.mdb')
  store = await stage.store()
  expect((await send('GET /tables/t/docs/a')).json).toMatchObject({ data: 'a', version: 1 })
  expect((await send('GET /tables/t/docs/b')).json).toMatchObject({ data: 'b' })
  expect(await last()).toBe(2)
  expect(await readdir(join(stage.dataFolder, 'backups'))).toHaveLength(1)
})
