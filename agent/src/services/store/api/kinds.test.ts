/** The API over a store that is not the embedded one. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { AS_OPERATOR } from '../../../access/access-testing.ts'
import { MemoryStore } from '../documents/testing/memory-store.ts'
import { ask, type Asked, Stage } from '../store-testing.ts'
import type { Store } from '../store.ts'

let stage: Stage
let store: Store

beforeEach(async () => {
  stage = await Stage.open()
  store = await stage.store({}, new MemoryStore())
})
afterEach(() => stage.end())

const send = (what: string, asked?: Asked) => ask(store.port, what, asked)

it('writes, reads and queries', async () => {
  expect(await send('POST /tables/t/docs', { body: { id: 'a', data: { n: 1 } } })).toMatchObject({ status: 201 })
  await send('PATCH /tables/t/docs/a', { body: { m: 2 } })
  const found = await send('GET /tables/t/docs/a')
  expect(found).toMatchObject({ status: 200, json: { version: 2, data: { n: 1, m: 2 } } })
  expect(await send('GET /tables/t/docs/a', { headers: { 'if-none-match': '"2"' } })).toMatchObject({ status: 304 })
  expect(await send('GET /tables/t/docs/b')).toMatchObject({
    status: 404,
    json: { error: { code: 'DOCUMENT_NOT_FOUND' } },
  })
  for (let n = 2; n <= 5; n += 1) await send('POST /tables/t/docs', { body: { data: { n } } })
  const first = await send('GET /tables/t/docs?limit=3&orderBy=-n')
  const second = await send(`GET /tables/t/docs?limit=3&orderBy=-n&cursor=${first.json.cursor}`)
  const numbers = [first, second].map(({ json }) => json.documents.map(({ data }: { data: { n: number } }) => data.n))
  expect(numbers).toEqual([[5, 4, 3], [2, 1]]) // prettier-ignore
})

it('moves whole tables, shows the log and its figures, and has no backup to offer', async () => {
  const headers = { 'content-type': 'application/x-ndjson' }
  const imported = await send('POST /tables/t/import?events=true', {
    headers,
    body: '{"id":"b","data":1}\n{"id":"a","data":2}',
  })
  expect(imported.json).toMatchObject({ imported: 2 })
  const lines = (await send('GET /tables/t/export')).text.trim().split('\n')
  expect(lines.map(line => JSON.parse(line) as object)).toMatchObject([
    { id: 'a', data: 2 },
    { id: 'b', data: 1 },
  ])
  expect((await send('GET /tables/t/export?plain=true')).json).toEqual({ a: 2, b: 1 })
  expect((await send('GET /log')).json).toEqual({ first: 1, last: 2 })
  expect((await send('GET /changes/2')).json).toMatchObject({ sequence: '2', data: { id: 'a' } })
  expect((await send('GET /metrics')).text).toMatch(/^store_documents 2$/m)
  expect(await send('POST /backup')).toMatchObject({ status: 404, json: { error: { code: 'ROUTE_NOT_FOUND' } } })
})

it('streams changes', async () => {
  const response = await fetch(`http://127.0.0.1:${store.port}/changes?since=0`, { headers: AS_OPERATOR })
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  for (const id of ['a', 'b']) {
    await send(`PUT /tables/t/docs/${id}`, { body: { data: 1 } })
    while (!text.includes(`"subject":"t/${id}"`)) text += (await reader.read()).value ?? ''
  }
  await reader.cancel()
  expect(text.match(/^id: \d+$/gm)).toEqual(['id: 1', 'id: 2'])
})
