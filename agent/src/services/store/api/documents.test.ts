import { HEADERS } from '@ryo-faas/runtime/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { TEST_KEYS } from '../../../access/access-testing.ts'
import { signDepth } from '../../../access/index.ts'
import { ask, Stage, type Asked } from '../store-testing.ts'

let stage: Stage
let port: number

beforeAll(async () => {
  stage = await Stage.open()
  port = (await stage.store()).port
})
afterAll(() => stage.end())

const send = (what: string, asked?: Asked) => ask(port, what, asked)
const encoded = encodeURIComponent

it('creates a document, says where it is, and answers it from there', async () => {
  const created = await send('POST /tables/notes/docs', { body: { data: { text: 'ä😀' } } })
  expect(created).toMatchObject({ status: 201, headers: { etag: '"1"' }, json: { table: 'notes', version: 1 } })
  const read = await send(`GET ${created.headers.location}`)
  expect(read).toMatchObject({ status: 200, headers: { etag: '"1"' }, text: created.text })
  expect(read.headers['content-type']).toBe('application/json; charset=utf-8')
  expect(Object.keys(read.json)).toEqual(['id', 'table', 'version', 'createdAt', 'editedAt', 'data'])
  expect(read.json.data).toEqual({ text: 'ä😀' })
})

it('refuses an id that is taken', async () => {
  const body = { id: 'taken', data: 1 }
  expect(await send('POST /tables/t/docs', { body })).toMatchObject({ status: 201 })
  const again = await send('POST /tables/t/docs', { body })
  expect(again).toMatchObject({ status: 409, json: { error: { code: 'DOCUMENT_EXISTS', version: 1 } } })
})

it('replaces, merges and deletes, under conditions', async () => {
  const path = '/tables/t/docs/one'
  const put = (headers: Record<string, string>) => send(`PUT ${path}`, { body: { data: { a: 1 } }, headers })
  expect(await put({ 'if-match': '*' })).toMatchObject({
    status: 412,
    json: { error: { code: 'PRECONDITION_FAILED' } },
  })
  expect(await put({ 'if-none-match': '*' })).toMatchObject({ status: 201, headers: { etag: '"1"', location: path } })
  expect(await put({ 'if-none-match': '*' })).toMatchObject({ status: 412, json: { error: { version: 1 } } })
  expect(await put({ 'if-match': '"1"' })).toMatchObject({ status: 200, headers: { etag: '"2"' } })
  expect(await put({ 'if-match': '"1"' })).toMatchObject({ status: 412, json: { error: { version: 2 } } })
  const patch = (body: unknown, headers: Record<string, string> = {}) => send(`PATCH ${path}`, { body, headers })
  expect(await patch({ b: { c: 2 }, a: null })).toMatchObject({
    status: 200,
    json: { version: 3, data: { b: { c: 2 } } },
  })
  expect(await patch({ b: null }, { 'content-type': 'application/merge-patch+json' })).toMatchObject({
    json: { data: {} },
  })
  expect(await patch({}, { 'if-match': '"1"' })).toMatchObject({ status: 412 })
  expect(await send(`DELETE ${path}`, { headers: { 'if-match': '"1"' } })).toMatchObject({ status: 412 })
  expect(await send(`DELETE ${path}`, { headers: { 'if-match': '"4"' } })).toMatchObject({ status: 204, text: '' })
  expect(await send(`DELETE ${path}`)).toMatchObject({ status: 404, json: { error: { code: 'DOCUMENT_NOT_FOUND' } } })
  expect(await patch({})).toMatchObject({ status: 404 })
  expect(await send(`GET ${path}`)).toMatchObject({ status: 404, json: { error: { code: 'DOCUMENT_NOT_FOUND' } } })
})

it('does not send what the reader has already', async () => {
  await send('PUT /tables/t/docs/known', { body: { data: 1 } })
  const read = (tag: string) => send('GET /tables/t/docs/known', { headers: { 'if-none-match': tag } })
  for (const tag of ['"1"', 'W/"1"', '"9", "1"', '*']) {
    expect(await read(tag), tag).toMatchObject({ status: 304, text: '', headers: { etag: '"1"' } })
  }
  for (const tag of ['"2"', '1', '']) expect(await read(tag), tag).toMatchObject({ status: 200 })
})

it('takes every legal name in a path and in a body', async () => {
  const names = [
    'a.b',
    'a/b',
    'a b',
    '...',
    '%2F',
    '%',
    '?#',
    'ä',
    '😀',
    '__proto__',
    '\'"\\',
    'x'.repeat(512),
    '€'.repeat(170),
  ]
  for (const name of names) {
    const path = `/tables/${encoded(name)}/docs`
    const created = await send(`POST ${path}`, { body: { id: name, data: { name } } })
    expect(created, name).toMatchObject({ status: 201, headers: { location: `${path}/${encoded(name)}` } })
    expect(await send(`GET ${path}/${encoded(name)}`), name).toMatchObject({
      status: 200,
      json: { id: name, data: { name } },
    })
    expect(await send(`GET /tables/${encoded(name)}`), name).toMatchObject({ status: 200, json: { table: name } })
  }
})

it.each(['', '.', '..', 'a\u0000b', '\n', 'x'.repeat(513), '€'.repeat(171)])(
  'refuses the name %j everywhere',
  async name => {
    const answers = await Promise.all([
      send('POST /tables/t/docs', { body: { id: name, data: 1 } }),
      send('POST /batch', { body: { operations: [{ op: 'create', table: name, data: 1 }] } }),
      send(`PUT /tables/t/docs/${encoded(name) || '%20%0A'}`, { body: { data: 1 } }),
      send(`GET /tables/t/docs/${encoded(name) || '%00'}`),
      send(`GET /tables/${encoded(name) || '%00'}`),
    ])
    for (const answer of answers)
      expect(answer).toMatchObject({ status: 400, json: { error: { code: 'INVALID_NAME' } } })
  },
)

it('refuses a batch of small patches that makes much of a large document, and writes none of it', async () => {
  await send('PUT /tables/t/docs/large', { body: { data: { text: 'x'.repeat(900_000) } } })
  const operations = Array.from({ length: 20 }, (_, n) => ({ op: 'patch', table: 't', id: 'large', patch: { n } }))
  const refused = await send('POST /batch', { body: { operations } })
  expect(refused).toMatchObject({ status: 413, json: { error: { code: 'BATCH_TOO_LARGE', index: 9 } } })
  expect((await send('GET /tables/t/docs/large')).json).toMatchObject({ version: 1 })
  expect(await send('POST /batch', { body: { operations: operations.slice(0, 8) } })).toMatchObject({ status: 200 })
})

it('does a batch as a whole or not at all', async () => {
  await send('PUT /tables/t/docs/batched', { body: { data: { n: 1 } } })
  const batch = (...operations: unknown[]) => send('POST /batch', { body: { operations } })
  const done = await batch(
    { op: 'create', table: 'u', data: 'fresh' },
    { op: 'put', table: 'u', id: 'p', data: null, ifMatch: 0 },
    { op: 'patch', table: 't', id: 'batched', patch: { n: 2 }, ifMatch: 1 },
    { op: 'patch', table: 't', id: 'batched', patch: { m: 3 }, ifMatch: 2 },
    { op: 'delete', table: 'u', id: 'p', ifMatch: '*' },
  )
  expect(done.status).toBe(200)
  expect(done.json.results).toMatchObject([
    { data: 'fresh', version: 1 },
    { id: 'p', data: null, version: 1 },
    { data: { n: 2 }, version: 2 },
    { data: { n: 2, m: 3 }, version: 3 },
    { id: 'p', version: 2, deleted: true },
  ])
  const refused = await batch(
    { op: 'put', table: 't', id: 'batched', data: 'lost' },
    { op: 'patch', table: 't', id: 'batched', patch: {}, ifMatch: 3 },
  )
  expect(refused).toMatchObject({ status: 412, json: { error: { code: 'PRECONDITION_FAILED', index: 1, version: 4 } } })
  expect(await send('GET /tables/t/docs/batched')).toMatchObject({ json: { version: 3 } })
})

it('writes down where a change comes from', async () => {
  const headers = {
    [HEADERS.eventDepth]: signDepth(TEST_KEYS.functions, 4),
    traceparent: '00-11111111111111111111111111111111-2222222222222222-01',
    tracestate: 'vendor=x',
    baggage: 'user="a"%20b;ttl=1,k=v',
  }
  const write = (sent: Record<string, string>) => send('POST /tables/traced/docs', { body: { data: 1 }, headers: sent })
  const last = async () => {
    const { json } = await send('GET /log')
    return (await send(`GET /changes/${json.last}`)).json
  }
  await write(headers)
  const { traceparent, tracestate, baggage } = headers
  expect(await last()).toMatchObject({ eventdepth: 4, traceparent, tracestate, baggage, data: { table: 'traced' } })
  await write({ baggage })
  expect(await last()).toMatchObject({ eventdepth: 0, baggage })
  await write({ baggage: `k=${'v'.repeat(8_200)}` })
  expect(await last()).not.toHaveProperty('baggage')
  await write({ ...headers, traceparent: 'nonsense' })
  expect(await last()).not.toHaveProperty('traceparent')
  await write({})
  expect(await last()).toMatchObject({ eventdepth: 0 })
  // What was not signed by the platform is no reason to refuse a write, and not believed.
  const foreign = signDepth('another key of functions', 17)
  for (const depth of ['-1', 'x', '', '17', '17.', foreign, `17${signDepth(TEST_KEYS.functions, 4).slice(1)}`]) {
    expect(await write({ [HEADERS.eventDepth]: depth })).toMatchObject({ status: 201 })
    expect(await last()).toMatchObject({ eventdepth: 0 })
  }
})

it('finds documents, and shows the way to the next page', async () => {
  for (const [id, n] of Object.entries({ a: 3, b: 1, c: 2 })) {
    await send(`PUT /tables/found/docs/${id}`, { body: { data: { n } } })
  }
  const query = (parameters: Record<string, string>) =>
    send(`GET /tables/found/docs?${new URLSearchParams(parameters)}`)
  const first = await query({ where: '{"n":{">=":1}}', orderBy: '-n', limit: '2' })
  expect(first.json.documents.map(({ id }: { id: string }) => id)).toEqual(['a', 'c'])
  const second = await query({ where: '{"n":{">=":1}}', orderBy: '-n', limit: '2', cursor: first.json.cursor })
  expect(second.json).toMatchObject({ documents: [{ id: 'b', table: 'found', version: 1, data: { n: 1 } }] })
  expect(second.json).not.toHaveProperty('cursor')
  const both = await send(`GET /tables/found/docs?where=${encoded('n > 1')}&where=${encoded('n < 3')}`)
  expect(both.json.documents).toMatchObject([{ id: 'c' }])
  expect((await send('GET /tables/nowhere/docs')).json).toEqual({ documents: [] })
})

it('declares, lists and drops indexes and tables', async () => {
  await send('PUT /tables/managed/docs/a', { body: { data: { city: 'Kiel' } } })
  expect(await send('PUT /tables/managed/indexes/city')).toMatchObject({ status: 202, json: { field: 'city' } })
  expect(await send('PUT /tables/fresh/indexes/a.b')).toMatchObject({ status: 200, json: { state: 'ready' } })
  expect((await send('GET /tables/managed/indexes')).json.indexes).toMatchObject([{ field: 'city' }])
  expect((await send('GET /tables')).json.tables).toContainEqual({
    ...{ table: 'fresh', documents: 0 },
    indexes: [{ field: 'a.b', state: 'ready', documents: 0 }],
  })
  expect(await send('DELETE /tables/managed/indexes/city')).toMatchObject({ status: 204 })
  expect(await send('DELETE /tables/managed/indexes/city')).toMatchObject({ status: 404 })
  expect(await send('DELETE /tables/managed')).toMatchObject({ status: 204 })
  for (const what of [
    'GET /tables/managed',
    'DELETE /tables/managed',
    'GET /tables/managed/indexes',
    'GET /tables/managed/export',
  ]) {
    expect(await send(what), what).toMatchObject({ status: 404, json: { error: { code: 'TABLE_NOT_FOUND' } } })
  }
  expect(await send('GET /tables/managed/docs/a')).toMatchObject({ status: 404 })
})
