import type { IncomingMessage, ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { send, serveDialect } from '../../testing/serve-handler.ts'
import { vercel } from './index.ts'

type VercelRequest = IncomingMessage & { query: object; cookies: object; body: unknown }
type VercelResponse = ServerResponse & {
  status(code: number): VercelResponse
  json(value: unknown): VercelResponse
  send(value: unknown): VercelResponse
  redirect(statusOrUrl: number | string, url?: string): VercelResponse
}

const echo = ({ query, cookies, body }: VercelRequest, response: VercelResponse) =>
  void response.status(201).json({ query, cookies, body })

test('the request has query, cookies and body', async () => {
  await using served = await serveDialect(vercel, echo)
  const headers = {
    'content-type': 'application/json',
    cookie: 'a=1; b=%20',
    'x-ryo-faas-params': encodeURIComponent('{"id":"7"}'),
  }
  const answer = await send(served.port, { method: 'POST', path: '/?tag=a&tag=b', headers }, '{"x":1}')
  expect(answer).toMatchObject({ status: 201, headers: { 'content-type': 'application/json; charset=utf-8' } })
  expect(JSON.parse(answer.body)).toEqual({
    query: { tag: ['a', 'b'], id: '7' },
    cookies: { a: '1', b: ' ' },
    body: { x: 1 },
  })
})

test.each([
  ['application/x-www-form-urlencoded', 'a=1&a=2', { a: ['1', '2'] }],
  ['text/plain', 'hi', 'hi'],
  ['application/octet-stream', 'hi', { type: 'Buffer', data: [104, 105] }],
  ['image/png', 'hi', undefined],
])('a body of %s is parsed', async (type, text, body) => {
  await using served = await serveDialect(vercel, echo)
  const answer = await send(served.port, { method: 'POST', headers: { 'content-type': type } }, text)
  expect(JSON.parse(answer.body)).toEqual({ query: {}, cookies: {}, body })
})

test('a body that is not the JSON it says is 400 when it is read', async () => {
  await using served = await serveDialect(vercel, echo)
  const headers = { 'content-type': 'application/json' }
  expect(await send(served.port, { method: 'POST', headers }, '{')).toMatchObject({ status: 400, body: 'Invalid JSON' })
})

test.each<[string, (response: VercelResponse) => void, object]>([
  ['text', response => response.send('<p>'), { body: '<p>', headers: { 'content-type': 'text/html; charset=utf-8' } }],
  ['bytes', response => response.send(Buffer.from('x')), { headers: { 'content-type': 'application/octet-stream' } }],
  ['objects', response => response.send({ a: 1 }), { body: '{"a":1}' }],
  ['nothing', response => response.status(204).send(''), { status: 204, body: '' }],
  ['a redirect', response => response.redirect('/a'), { status: 307, headers: { location: '/a' } }],
  ['a permanent redirect', response => response.redirect(308, '/a'), { status: 308, headers: { location: '/a' } }],
])('the response sends %s', async (_what, answer, expected) => {
  await using served = await serveDialect(vercel, (_: unknown, response: VercelResponse) => answer(response))
  expect(await send(served.port)).toMatchObject(expected)
})
