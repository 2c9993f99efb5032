import { TestStore } from '@ryo-faas/runtime/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ask, Stage, type Asked } from '../store-testing.ts'

let stage: Stage
let port: number
const twin = new TestStore()

beforeAll(async () => {
  stage = await Stage.open()
  port = (await stage.store()).port
})
afterAll(() => stage.end())

/** What the store answers, and what the store of the test kit answers: without what is different each time. */
async function both(what: string, { headers = {}, body }: Asked = {}) {
  const real = await ask(port, what, { headers, body })
  const [method, path] = what.split(' ') as [string, string]
  const content = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
  const type = body === undefined ? {} : { 'content-type': 'application/json' }
  const response = await twin.answer(
    new Request(`http://store.test${path}`, {
      method,
      headers: { ...type, ...headers },
      ...(content !== undefined && { body: content }),
    }),
  )
  const text = await response.text()
  const names = ['content-type', 'etag', 'location']
  return [
    {
      status: real.status,
      text: masked(real.text),
      headers: names.map(name => masked(String(real.headers[name] ?? ''))),
    },
    {
      status: response.status,
      text: masked(text),
      headers: names.map(name => masked(response.headers.get(name) ?? '')),
    },
  ]
}

function masked(text: string): string {
  return text.replaceAll(/[0-9A-HJKMNP-TV-Z]{26}/g, '<id>').replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
}

const ROUTE = '/tables/t/docs'
const filled = Array.from({ length: 5 }, (_, n) => ({
  op: 'create',
  table: 't',
  id: `n${n}`,
  data: { n, tags: ['x'] },
}))

it.each<[string, Asked?]>([
  [`POST ${ROUTE}`, { body: { data: { a: 1 } } }],
  [`POST ${ROUTE}`, { body: { id: 'a b/ä', data: null } }],
  [`POST ${ROUTE}`, { body: { id: 'a b/ä', data: null } }],
  [`POST ${ROUTE}`, { body: { id: 7, data: null } }],
  [`POST ${ROUTE}`, { body: { date: 1 } }],
  [`POST ${ROUTE}`, { body: {} }],
  [`POST ${ROUTE}`, { body: 'text', headers: { 'content-type': 'text/plain' } }],
  [`POST ${ROUTE}`, { body: `{"data":${'['.repeat(65)}${']'.repeat(65)}}` }],
  [`GET ${ROUTE}/a%20b%2F%C3%A4`],
  [`GET ${ROUTE}/a%20b%2F%C3%A4`, { headers: { 'if-none-match': '"1"' } }],
  [`GET ${ROUTE}/none`],
  ['GET /tables/none/docs/none'],
  [`PUT ${ROUTE}/p`, { body: { data: 1 }, headers: { 'if-match': '*' } }],
  [`PUT ${ROUTE}/p`, { body: { data: 1 }, headers: { 'if-none-match': '*' } }],
  [`PUT ${ROUTE}/p`, { body: { data: 1 }, headers: { 'if-none-match': '*' } }],
  [`PUT ${ROUTE}/p`, { body: { data: 1 }, headers: { 'if-match': 'W/"1"' } }],
  [`PUT ${ROUTE}/p`, { body: { data: { x: 1, y: 2 } }, headers: { 'if-match': '"1"' } }],
  [`PATCH ${ROUTE}/p`, { body: { x: null, z: { q: 1 } } }],
  [`PATCH ${ROUTE}/p`, { body: { x: 2 }, headers: { 'if-match': '"9"' } }],
  [`PATCH ${ROUTE}/none`, { body: {} }],
  [`DELETE ${ROUTE}/p`, { headers: { 'if-match': '"9"' } }],
  [`DELETE ${ROUTE}/p`],
  [`DELETE ${ROUTE}/p`],
  [`PUT ${ROUTE}/p`, { body: { data: 'again' } }],
  ['POST /batch', { body: { operations: filled } }],
  ['POST /batch', { body: { operations: filled } }],
  ['POST /batch', { body: { operations: [] } }],
  ['POST /batch', { body: { operations: [{ op: 'delete', table: 't', id: 'n4' }] } }],
  [`GET ${ROUTE}?where=${encodeURIComponent('{"n":{">=":1}}')}&orderBy=-n`],
  [`GET ${ROUTE}?where=${encodeURIComponent('n < 2')}&where=tags%20contains%20x&orderBy=n`],
  [`GET ${ROUTE}?where=${encodeURIComponent('{"n":{"~":1}}')}`],
  [`GET ${ROUTE}?limit=0`],
  [`GET ${ROUTE}?limit=1&limit=2`],
  [`GET ${ROUTE}?cursor=x`],
  [`GET ${ROUTE}?order=n`],
  ['GET /tables/none/docs'],
  ['GET /elsewhere'],
])('the store of the test kit answers as the store does: %s %j', async (what, asked) => {
  const [real, memory] = await both(what, asked)
  expect(memory).toEqual(real)
})
