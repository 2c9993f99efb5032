import net from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { STORE_ERRORS } from '@ryo-faas/runtime/documents'
import { ask, Stage } from '../store-testing.ts'

let stage: Stage
let port: number

beforeAll(async () => {
  stage = await Stage.open()
  port = (await stage.store({ bodyLimitBytes: 10_000, headersTimeoutMs: 300 })).port
})
afterAll(async () => {
  await stage.end()
  expect(stage.events).toEqual([])
})

describe.each([
  ['POST /tables/t/docs', { id: 'a', data: 1 }],
  ['PUT /tables/t/docs/a', { data: 1 }],
  ['PATCH /tables/t/docs/a', { n: 1 }],
  ['POST /batch', { operations: [{ op: 'put', table: 't', id: 'a', data: 1 }] }],
])('%s', (route, body) => {
  it.each([
    ['{"data":\n  {"a":1,}}', { line: 2, column: 10, offset: 18 }],
    ['{"data":tru}', { line: 1, column: 9 }],
    ['{"data":1', { line: 1, column: 10, offset: 9 }],
    ['{"data":"\u0001"}', { line: 1 }],
    ["{'data':1}", { line: 1, column: 2 }],
  ])('says where %j is no JSON', async (text, place) => {
    expect(await ask(port, route, { body: text })).toMatchObject({
      status: 400,
      json: { error: { code: 'INVALID_JSON', ...place, message: expect.stringContaining(`line ${place.line}`) } },
    })
  })

  it('refuses what is too large, too deep, or not declared to be JSON', async () => {
    const long = await ask(port, route, { body: { ...body, data: 'x'.repeat(10_000) } })
    expect(long).toMatchObject({ status: 413, json: { error: { code: 'BODY_TOO_LARGE' } } })
    const deep = `${'['.repeat(3_000)}${']'.repeat(3_000)}`
    expect(await ask(port, route, { body: deep })).toMatchObject({ status: 400, json: { error: { code: 'TOO_DEEP' } } })
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'nonsense']) {
      const answer = await ask(port, route, { body: JSON.stringify(body), headers: { 'content-type': type } })
      expect(answer, type).toMatchObject({ status: 415, json: { error: { code: 'UNSUPPORTED_MEDIA_TYPE' } } })
    }
    const infinite = await ask(port, route, { body: '{"data":1e999}' })
    expect(infinite).toMatchObject({ status: 400, json: { error: { code: 'INVALID_JSON' } } })
  })

  it('wants a body', async () => {
    expect(await ask(port, route)).toMatchObject({ status: 400, json: { error: { code: 'INVALID_REQUEST' } } })
  })
})

it.each([
  ['POST /tables/t/docs', [], 'INVALID_REQUEST'],
  ['POST /tables/t/docs', 'null', 'INVALID_REQUEST'],
  ['POST /tables/t/docs', {}, 'INVALID_REQUEST'],
  ['POST /tables/t/docs', { date: 1 }, 'INVALID_REQUEST'],
  ['POST /tables/t/docs', { data: 1, id: 5 }, 'INVALID_REQUEST'],
  ['POST /tables/t/docs', '{"__proto__":{"data":1}}', 'INVALID_REQUEST'],
  ['PUT /tables/t/docs/a', { data: 1, version: 3 }, 'INVALID_REQUEST'],
  ['POST /batch', { operations: [] }, 'INVALID_REQUEST'],
  ['POST /batch', { operations: {} }, 'INVALID_REQUEST'],
  ['POST /batch', { operations: [{ op: 'upsert', table: 't' }] }, 'INVALID_REQUEST'],
  ['POST /batch', { operations: [{ op: 'toString', table: 't' }] }, 'INVALID_REQUEST'],
  ['POST /batch', { operations: [{ op: 'put', table: 't', data: 1 }] }, 'INVALID_REQUEST'],
  ['POST /batch', { operations: [{ op: 'delete', table: 't', id: 'a', data: 1 }] }, 'INVALID_REQUEST'],
  ['POST /batch', { operations: [{ op: 'patch', table: 't', id: 'a' }] }, 'INVALID_REQUEST'],
  ['POST /batch', { operations: [{ op: 'delete', table: 't', id: 'a', ifMatch: '"1"' }] }, 'INVALID_REQUEST'],
  ['POST /batch', { operations: [{ op: 'put', table: 1, id: 'a', data: 1 }] }, 'INVALID_REQUEST'],
])('%s refuses %j', async (route, body, code) => {
  expect(await ask(port, route, { body })).toMatchObject({ status: 400, json: { error: { code } } })
})

it.each([
  ['limit=0', 'INVALID_QUERY'],
  ['limit=1001', 'INVALID_QUERY'],
  ['limit=ten', 'INVALID_QUERY'],
  ['limit=1&limit=2', 'INVALID_QUERY'],
  ['limt=1', 'INVALID_QUERY'],
  ['orderBy=a..b', 'INVALID_QUERY'],
  ['orderBy=', 'INVALID_QUERY'],
  ['where=%7B', 'INVALID_QUERY'],
  ['where=%7B%22a%22%3A%7B%22%24gt%22%3A1%7D%7D', 'UNKNOWN_OPERATOR'],
  ['cursor=x', 'INVALID_CURSOR'],
])('a query with %s is refused', async (query, code) => {
  expect(await ask(port, `GET /tables/t/docs?${query}`)).toMatchObject({ status: 400, json: { error: { code } } })
})

it.each([
  ['if-match', 'x'],
  ['if-match', '"a"'],
  ['if-match', 'W/"1"'],
  ['if-match', '"1", "2"'],
  ['if-none-match', '"1"'],
])('a write with %s: %s is refused', async (name, value) => {
  const answer = await ask(port, 'PUT /tables/t/docs/a', { body: { data: 1 }, headers: { [name]: value } })
  expect(answer).toMatchObject({ status: 400, json: { error: { code: 'INVALID_HEADER' } } })
})

it.each([
  ['GET /', 'ROUTE_NOT_FOUND', 404],
  ['POST /tables/t/docs/a', 'ROUTE_NOT_FOUND', 404],
  ['GET /tables/t/docs/../../x', 'ROUTE_NOT_FOUND', 404],
  ['GET /tables/%ff/docs/a', 'INVALID_REQUEST', 400],
  ['GET /tables/%/docs/a', 'INVALID_REQUEST', 400],
  [`GET /tables/${'a'.repeat(2_000)}/docs/a`, 'INVALID_NAME', 400],
  ['GET /changes/0', 'INVALID_QUERY', 400],
  ['GET /changes/x', 'INVALID_QUERY', 400],
  ['GET /changes/99', 'EVENT_NOT_FOUND', 404],
  ['GET /changes?since=-1', 'INVALID_QUERY', 400],
  ['PUT /tables/t/indexes/$id', 'INVALID_REQUEST', 400],
  ['PUT /tables/t/indexes/a..b', 'INVALID_QUERY', 400],
])('%s is answered with %s', async (what, code, status) => {
  expect(await ask(port, what)).toMatchObject({ status, json: { error: { code } } })
})

it('answers programs that know it by an address or its name, and no pages', async () => {
  const as = (headers: Record<string, string>) => ask(port, 'GET /tables', { headers })
  for (const host of ['127.0.0.1', 'localhost:5001', '172.17.0.1:80', '[::1]:9', 'LOCALHOST']) {
    expect(await as({ host }), host).toMatchObject({ status: 200 })
  }
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80', '1', '[::1']) {
    expect(await as({ host }), host).toMatchObject({ status: 403, json: { error: { code: 'FORBIDDEN_ORIGIN' } } })
  }
  const host = `127.0.0.1:${port}`
  expect(await as({ host, origin: `http://${host}` })).toMatchObject({ status: 200 })
  for (const origin of ['http://evil.example', 'null', 'http://127.0.0.1:1', `https://${host}`]) {
    expect(await as({ host, origin }), origin).toMatchObject({ status: 403 })
  }
  expect(await as({ 'sec-fetch-site': 'cross-site' })).toMatchObject({ status: 403 })
})

it('goes by names that it is given', async () => {
  const { port: other } = await stage.store({ dataFolder: `${stage.dataFolder}-2`, hostNames: ['Store.internal'] })
  expect(await ask(other, 'GET /tables', { headers: { host: 'store.internal:5001' } })).toMatchObject({ status: 200 })
})

it('gives up on a client that does not get to the point', async () => {
  const socket = net.connect(port, '127.0.0.1')
  socket.write('GET /tables HTTP/1.1\r\nHost: 127.0.0.1\r\n')
  let answer = ''
  socket.on('data', piece => (answer += piece.toString()))
  await new Promise(resolve => socket.once('close', resolve))
  expect(answer).toMatch(/^HTTP\/1.1 408 /)
})

it('has one line for each error', () => {
  for (const [code, { status, about }] of Object.entries(STORE_ERRORS)) {
    expect(code).toMatch(/^[A-Z_]+$/)
    expect(status).toBeGreaterThanOrEqual(400)
    expect(about).not.toMatch(/\n|\.$/)
  }
})

it.each(['GET', 'PUT', 'PATCH', 'DELETE'])('%s refuses a table without a name', async method => {
  const body = method === 'GET' || method === 'DELETE' ? {} : { body: { data: 1 } }
  const answer = await ask(port, `${method} /tables//docs/x`, body)
  expect([answer.status, answer.json.error.code]).toEqual([400, 'INVALID_NAME'])
})

it('a cursor that was forged with an id that no document can have is refused', async () => {
  await ask(port, 'PUT /tables/forged/docs/a', { body: { data: 1 } })
  await ask(port, 'PUT /tables/forged/docs/b', { body: { data: 1 } })
  const { cursor } = (await ask(port, 'GET /tables/forged/docs?limit=1')).json
  const written = JSON.parse(Buffer.from(cursor, 'base64url').toString())
  written[3] = 'x'.repeat(8_000)
  const forged = Buffer.from(JSON.stringify(written)).toString('base64url')
  const answer = await ask(port, `GET /tables/forged/docs?limit=1&cursor=${forged}`)
  expect([answer.status, answer.json.error.code]).toEqual([400, 'INVALID_CURSOR'])
})

describe('what is not a request', () => {
  const exchange = (bytes: string) =>
    new Promise<string>((resolve, reject) => {
      let answer = ''
      const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes))
      socket.on('data', piece => (answer += piece.toString()))
      socket.on('error', reject)
      socket.on('close', () => resolve(answer))
    })

  it.each([
    ['a head over 16 KiB', `GET /tables HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(17_000)}\r\n\r\n`, 431],
    ['another protocol', 'HELO example\r\n\r\n', 400],
    ['a head that does not end', 'GET /tables HTTP/1.1\r\nHost: a\r\n', 408],
  ])('%s is answered in the shape of all errors, and the connection closed', async (_, bytes, status) => {
    const [head, body] = (await exchange(bytes)).split('\r\n\r\n') as [string, string]
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(head).toMatch(/^connection: close$/im)
    const code = (JSON.parse(body) as { error: { code: keyof typeof STORE_ERRORS } }).error.code
    expect(STORE_ERRORS[code].status).toBe(status)
  })
})
