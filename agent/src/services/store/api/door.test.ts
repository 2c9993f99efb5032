import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Credentials, type FunctionClaims } from '../../../access/index.ts'
import { AS_OPERATOR, TEST_KEYS } from '../../../access/access-testing.ts'
import { isProof, newNonce, PROOF_PATH } from '../../../contract/index.ts'
import { ask, Stage, type Asked } from '../store-testing.ts'

const credentials = new Credentials(TEST_KEYS)

let stage: Stage
let port: number
beforeAll(async () => {
  stage = await Stage.open()
  port = (await stage.store()).port
  for (const table of ['orders', 'vault']) await ask(port, `PUT /tables/${table}/docs/a`, { body: { data: { table } } })
})
afterAll(() => stage.end())

const as =
  (authorization: string | undefined) =>
  (what: string, asked: Asked = {}) =>
    ask(port, what, { ...asked, headers: { ...asked.headers, authorization: authorization ?? '' } })
const asFunction = (claims: Omit<FunctionClaims, 'route'>) =>
  as(`Bearer ${credentials.functionToken({ route: 'audit', ...claims })}`)

const DOCUMENTS = [
  ['GET /tables/orders/docs/a', undefined],
  ['GET /tables/orders/docs', undefined],
  ['GET /tables/orders', undefined],
  ['GET /tables/orders/indexes', undefined],
  ['GET /tables', undefined],
  ['GET /log', undefined],
  ['GET /changes/1', undefined],
  ['POST /tables/orders/docs', { data: 1 }],
  ['PUT /tables/orders/docs/b', { data: 1 }],
  ['PATCH /tables/orders/docs/a', { more: 1 }],
  ['DELETE /tables/orders/docs/b', undefined],
  ['POST /batch', { operations: [{ op: 'put', table: 'orders', id: 'c', data: 1 }] }],
] as const

const ADMINISTRATIVE = [
  'DELETE /tables/nothing',
  'PUT /tables/orders/indexes/x',
  'DELETE /tables/orders/indexes/x',
  'POST /tables/orders/import',
  'GET /tables/orders/export',
  'POST /backup',
  'GET /metrics',
  'GET /openapi.json',
]

describe.each([
  ['no token', undefined],
  ['a wrong one', `Bearer ${'x'.repeat(32)}`],
  ['the key of functions itself', `Bearer ${TEST_KEYS.functions}`],
  [
    'a token of another platform',
    `Bearer ${new Credentials({ ...TEST_KEYS, functions: 'g'.repeat(32) }).functionToken({ route: 'audit' })}`,
  ],
])('with %s', (_, authorization) => {
  it.each([
    ...DOCUMENTS.map(([what]) => what),
    ...ADMINISTRATIVE,
    'GET /changes',
    'GET /tables/orders/changes',
    'GET /nothing',
  ])('%s is answered with 401', async what => {
    const answer = await as(authorization)(what)
    expect(answer).toMatchObject({ status: 401, json: { error: { code: 'UNAUTHORIZED' } } })
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer /)
  })

  it.each(['/healthz', '/readyz'])('%s is answered', async path => {
    expect(await as(authorization)(`GET ${path}`)).toMatchObject({ status: 200 })
  })
})

it('lets operator and parts do everything', async () => {
  for (const token of [TEST_KEYS.operator, TEST_KEYS.part]) {
    for (const what of ADMINISTRATIVE) {
      expect((await as(`Bearer ${token}`)(what)).status, what).not.toBe(401)
      expect((await as(`Bearer ${token}`)(what)).status, what).not.toBe(403)
    }
  }
})

it('lets a function use every table if nothing else is said', async () => {
  for (const [what, body] of DOCUMENTS) {
    expect((await asFunction({})(what, body === undefined ? {} : { body })).status, what).toBeLessThan(400)
  }
})

it.each(ADMINISTRATIVE)('does not let a function do %s', async what => {
  expect(await asFunction({})(what)).toMatchObject({ status: 403, json: { error: { code: 'FORBIDDEN' } } })
})

it('says to a function, too, that a route does not exist', async () => {
  expect(await asFunction({ read: [], write: [] })('GET /nothing')).toMatchObject({ status: 404 })
})

const FORBIDDEN = { status: 403, json: { error: { code: 'FORBIDDEN' } } }

it('lets a function read only the tables that it may read', async () => {
  const reader = asFunction({ read: ['orders'], write: [] })
  expect(await reader('GET /tables/orders/docs/a')).toMatchObject({ status: 200 })
  for (const path of ['docs/a', 'docs', 'docs/none', 'changes', 'indexes']) {
    expect(await reader(`GET /tables/vault/${path}`), path).toMatchObject(FORBIDDEN)
  }
  for (const what of ['GET /tables/vault', 'GET /changes', 'GET /changes/1', 'GET /log']) {
    expect(await reader(what), what).toMatchObject(FORBIDDEN)
  }
  expect((await reader('GET /tables')).json.tables.map(({ table }: { table: string }) => table)).toEqual(['orders'])
  expect(await reader('PUT /tables/orders/docs/a', { body: { data: 2 } })).toMatchObject(FORBIDDEN)
})

it('lets a function write only the tables that it may write, and learn nothing of what it may not read', async () => {
  const writer = asFunction({ read: [], write: ['orders'] })
  expect(await writer('PUT /tables/orders/docs/w', { body: { data: 1 } })).toMatchObject({ status: 201 })
  expect(await writer('GET /tables/orders/docs/w')).toMatchObject(FORBIDDEN)
  // The answer would be the whole document.
  expect(await writer('PATCH /tables/orders/docs/a', { body: { n: 1 } })).toMatchObject(FORBIDDEN)
  expect(await writer('PUT /tables/vault/docs/a', { body: { data: 1 } })).toMatchObject(FORBIDDEN)
  expect(await writer('DELETE /tables/vault/docs/a')).toMatchObject(FORBIDDEN)
})

it.each([
  [{ op: 'put', table: 'vault', id: 'z', data: 1 }],
  [{ op: 'create', table: 'vault', data: 1 }],
  [{ op: 'delete', table: 'vault', id: 'a' }],
  [{ op: 'patch', table: 'orders', id: 'a', patch: {} }],
])('writes nothing of a batch with an operation that is not allowed: %j', async operation => {
  const operations = [{ op: 'put', table: 'orders', id: 'batch', data: 1 }, operation]
  expect(await asFunction({ read: [], write: ['orders'] })('POST /batch', { body: { operations } })).toMatchObject(
    FORBIDDEN,
  )
  expect(await ask(port, 'GET /tables/orders/docs/batch')).toMatchObject({ status: 404 })
})

it('a name of a property that every object has is no right', async () => {
  expect(await asFunction({ read: [], write: [] })('GET /tables/constructor/docs')).toMatchObject(FORBIDDEN)
})

it('proves that it is ours, without a token, by one that only the operator knows', async () => {
  const nonce = newNonce()
  const answer = await as(undefined)(`GET ${PROOF_PATH}?nonce=${nonce}`)
  expect(answer.status).toBe(200)
  expect(isProof(TEST_KEYS.operator, { nonce, port }, answer.json.proof as string)).toBe(true)
  expect(isProof(TEST_KEYS.operator, { nonce, port: port + 1 }, answer.json.proof as string)).toBe(false)
  for (const query of ['', '?nonce=', '?nonce=xyz', `?nonce=${nonce}&nonce=${nonce}`]) {
    expect(await as(undefined)(`GET ${PROOF_PATH}${query}`), query).toMatchObject({ status: 400 })
  }
})

it('does not show a token in its answers or its events', async () => {
  const secret = `secret-${'y'.repeat(32)}`
  const answer = await as(`Bearer ${secret}`)('GET /tables')
  expect(answer.text + JSON.stringify(answer.headers) + JSON.stringify(stage.events)).not.toContain(secret)
  const known = await ask(port, 'GET /metrics', { headers: AS_OPERATOR })
  expect(known.text).not.toContain(TEST_KEYS.operator)
})
