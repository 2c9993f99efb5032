import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { store, StoreError, type Table } from './store.ts'
import { send, serveWeb } from './testing/serve-handler.ts'

interface Asked {
  method: string
  url: string
  headers: IncomingMessage['headers']
  body: unknown
}

/** A fake store: records requests, and returns what the test set. */
const server = createServer((request, response) => {
  void text(request).then(body => {
    asked.push({
      method: request.method!,
      url: request.url!,
      headers: request.headers,
      body: body === '' ? undefined : JSON.parse(body),
    })
    const { status, json } = answers.shift() ?? { status: 200, json: {} }
    response
      .writeHead(status, { 'content-type': 'application/json' })
      .end(json === undefined ? '' : JSON.stringify(json))
  })
})
const asked: Asked[] = []
const answers: { status: number; json?: unknown }[] = []
let storeUrl: string

beforeAll(async () => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  storeUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  asked.length = 0
  answers.length = 0
})

interface Note {
  text: string
  tags?: string[]
}

/** Runs `work` within an invocation. @returns what it resolved to, or the error. */
async function within<T>(
  work: (notes: Table<Note>) => Promise<T>,
  headers: Record<string, string> = {},
  url: string | undefined = storeUrl,
): Promise<unknown> {
  let outcome: unknown
  await using served = await serveWeb(
    async () => {
      outcome = await work(store<Note>('no tes/😀')).catch((error: unknown) => error)
      return new Response()
    },
    { storeUrl: url, token: 'token-of-the-function' },
  )
  await send(served.port, { headers })
  return outcome
}

const PATH = `/tables/${encodeURIComponent('no tes/😀')}/docs`

test('each method sends the right request', async () => {
  await within(async notes => {
    await notes.create({ text: 'a' })
    await notes.create({ text: 'a' }, { id: 'x' })
    await notes.get('a/b')
    await notes.update('x', { tags: null }, { ifVersion: 3 })
    await notes.replace('x', { text: 'b' })
    await notes.delete('x', { ifVersion: 4 })
    await notes.query({ where: { text: { '>=': 'a' } }, orderBy: '-text', limit: 5 })
  })
  const query = `where=${encodeURIComponent('{"text":{">=":"a"}}')}&orderBy=-text&limit=5`
  expect(asked.map(({ method, url, body }) => [method, url, body])).toEqual([
    ['POST', PATH, { data: { text: 'a' } }],
    ['POST', PATH, { id: 'x', data: { text: 'a' } }],
    ['GET', `${PATH}/a%2Fb`, undefined],
    ['PATCH', `${PATH}/x`, { tags: null }],
    ['PUT', `${PATH}/x`, { data: { text: 'b' } }],
    ['DELETE', `${PATH}/x`, undefined],
    ['GET', `${PATH}?${query}`, undefined],
  ])
  expect(asked[3]!.headers).toMatchObject({ 'content-type': 'application/merge-patch+json', 'if-match': '"3"' })
  expect(asked[5]!.headers['if-match']).toBe('"4"')
})

test('trace, request id and event depth are passed on', async () => {
  const carried = {
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    'x-request-id': 'r1',
    'x-event-depth': '3',
  }
  await within(notes => notes.get('x'), carried)
  expect(asked[0]!.headers).toMatchObject(carried)
})

test('the store gets the token of the deployment, and a caller’s token is not passed on', async () => {
  await within(notes => notes.get('x'), { authorization: 'Bearer of-the-caller' })
  expect(asked[0]!.headers.authorization).toBe('Bearer token-of-the-function')
})

test('a write carries baggage, so that what it triggers gets it', async () => {
  await within(notes => notes.create({ text: 'a' }), { baggage: 'k=v' })
  expect(asked[0]!.headers).toMatchObject({ baggage: 'k=v' })
})

test.each(['', '.', '..', '\ud800'])(
  '%j is refused as an id and as a table, before a URL makes another path of it',
  async name => {
    for (const work of [
      (notes: Table<Note>) => notes.get(name),
      (notes: Table<Note>) => notes.update(name, { text: 'a' }),
      (notes: Table<Note>) => notes.replace(name, { text: 'a' }),
      (notes: Table<Note>) => notes.delete(name),
      () => store(name).get('x'),
      () => store(name).create({}),
      () => store(name).query(),
    ]) {
      const refused = await within<unknown>(work)
      expect(refused).toBeInstanceOf(StoreError)
      expect(refused).toMatchObject({ code: 'INVALID_NAME', status: 400 })
    }
    expect(asked).toEqual([])
  },
)

test.each(['...', '.a', '%2e', '%2e%2e', 'a/../b', '\\\\..', '?', '#', ' '])('%j is an id like any other', async id => {
  await within(notes => notes.get(id))
  expect(decodeURIComponent(asked[0]!.url.slice(`${PATH}/`.length))).toBe(id)
  expect(asked[0]!.url.slice(`${PATH}/`.length)).not.toContain('/')
})

test('a missing document is undefined or false', async () => {
  answers.push({ status: 404, json: {} }, { status: 404, json: {} }, { status: 204 })
  expect(await within(notes => notes.get('x'))).toBeUndefined()
  expect(await within(notes => notes.delete('x'))).toBe(false)
  expect(await within(notes => notes.delete('x'))).toBe(true)
})

test('all pages of a query come one after the other', async () => {
  const page = (ids: string[], cursor?: string) => ({
    status: 200,
    json: { documents: ids.map(id => ({ id })), cursor },
  })
  answers.push(page(['a', 'b'], 'c1'), page(['c']))
  const ids = await within(async notes => {
    const found: string[] = []
    for await (const { id } of notes.all({ limit: 2 })) found.push(id)
    return found
  })
  expect(ids).toEqual(['a', 'b', 'c'])
  expect(asked[1]!.url).toBe(`${PATH}?limit=2&cursor=c1`)
})

test('a refusal is a StoreError with the code of the store', async () => {
  answers.push({ status: 412, json: { error: { code: 'VERSION_MISMATCH', message: 'it has version 5' } } })
  const refused = await within(notes => notes.replace('x', { text: 'a' }, { ifVersion: 4 }))
  expect(refused).toBeInstanceOf(StoreError)
  expect(refused).toMatchObject({
    code: 'VERSION_MISMATCH',
    status: 412,
    message: expect.stringContaining('version 5') as string,
  })
})

test('an unreachable store is a StoreError too, and a missing address is reported', async () => {
  const gone = await within(notes => notes.get('x'), {}, 'http://127.0.0.1:1')
  expect(gone).toMatchObject({ code: 'STORE_UNAVAILABLE', status: 0 })
  const nowhere = await within(notes => notes.get('x'), {}, '')
  expect(String(nowhere)).toContain('RYO_FAAS_STORE_URL')
})
