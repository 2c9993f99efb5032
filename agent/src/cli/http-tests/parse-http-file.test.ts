import { expect, it } from 'vitest'
import { failureOf } from './expectations.ts'
import { parseHttpFile } from './parse-http-file.ts'
import type { ReceivedResponse } from './received-response.ts'
import { differenceOf, formatSnapshots, parseSnapshots, snapshotOf } from './snapshot.ts'
import { Variables } from './variables.ts'

const parse = (text: string) => parseHttpFile(text, 'x.http')

it('reads requests as editors write them', () => {
  const { variables, requests } = parse(`@host = http://localhost:8000
@user=ada

GET {{host}}/plain HTTP/1.1

### Logs in
# a comment
// @name login
@token = {{user}}-1
POST {{host}}/login?a=1
    &b=2
Content-Type: application/json
# in between
X-Empty:

{
  "user": "{{user}}"

}

# @expect status 200
### From a file
https://example.test/upload
Accept: */*

< ./body.json
<> 2024.json
###

### With variables in it
# @mask body.id
# @header ETag
# @no-snapshot
PUT /x

<@ body.txt
`)
  expect(variables).toEqual([
    ['host', 'http://localhost:8000'],
    ['user', 'ada'],
    ['token', '{{user}}-1'],
  ])
  const none = { expectations: [], shownHeaders: [], masks: [], hasSnapshot: true }
  expect(requests).toEqual([
    { ...none, title: 'GET {{host}}/plain', line: 4, method: 'GET', url: '{{host}}/plain', headers: [] },
    {
      ...none,
      ...{ title: 'Logs in', name: 'login', line: 10, method: 'POST', url: '{{host}}/login?a=1&b=2' },
      headers: [
        ['Content-Type', 'application/json'],
        ['X-Empty', ''],
      ],
      body: { kind: 'text', text: '{\n  "user": "{{user}}"\n\n}' },
      expectations: [{ text: 'status 200', line: 21 }],
    },
    {
      ...none,
      ...{ title: 'From a file', line: 23, method: 'GET', url: 'https://example.test/upload' },
      headers: [['Accept', '*/*']],
      body: { kind: 'file', path: './body.json', hasVariables: false },
    },
    {
      ...none,
      ...{ title: 'With variables in it', line: 34, method: 'PUT', url: '/x', headers: [] },
      body: { kind: 'file', path: 'body.txt', hasVariables: true },
      ...{ masks: ['body.id'], shownHeaders: ['etag'], hasSnapshot: false },
    },
  ])
})

it.each([
  ['GET /x\nno header\n', 'x.http:2: "no header" is not "Name: value"'],
  ['GET /x\n\n> {% client.test() %}\n', 'x.http:3: scripts are not run'],
])('says where a file is wrong: %j', (text, message) => {
  expect(() => parse(text)).toThrow(message)
})

const response = (body: unknown, headers: Record<string, string> = {}): ReceivedResponse => ({
  status: 200,
  headers: new Map(Object.entries({ 'content-type': 'application/json', ...headers })),
  bytes: typeof body === 'string' ? Buffer.from(body) : Buffer.from(JSON.stringify(body)),
  durationMs: 5,
})

it('fills in variables, also of other variables, of the environment, and of earlier responses', () => {
  const variables = new Variables({
    given: new Map([['host', 'given:1']]),
    file: [
      ['host', 'file:1'],
      ['a', '{{b}}!'],
      ['b', 'B'],
      ['loop', '{{loop}}'],
    ],
    responses: new Map([['login', response({ token: 't', list: [{ id: 7 }] }, { location: '/here' })]]),
    environment: { KEY: 'secret' },
  })
  expect(variables.fill('{{host}} {{ a }} {{$processEnv KEY}} {{$env.KEY}}')).toBe('given:1 B! secret secret')
  expect(variables.fill('{{login.response.body.token}} {{login.response.body.$.list[0].id}}')).toBe('t 7')
  expect(variables.fill('{{login.response.headers.Location}}')).toBe('/here')
  expect(variables.fill('{{$guid}}')).toMatch(/^[\da-f-]{36}$/)
  for (const name of ['none', 'loop', '$none', '$processEnv NONE', 'other.response.body', 'login.response.body.none']) {
    expect(() => variables.fill(`{{${name}}}`)).toThrow(name.startsWith('loop') ? 'refers to itself' : `{{${name}}}`)
  }
})

it.each([
  ['status 200', undefined],
  ['status == 201', 'status == 201: it is 200'],
  ['status < 300', undefined],
  ['header X-Kind exists', undefined],
  ['headers.none exists', 'headers.none exists: it is absent'],
  ['body.n == 1', undefined],
  ['body.n != 1', 'body.n != 1: it is 1'],
  ['body.list[1].name == "two"', undefined],
  ['body.list[1].name two', undefined],
  ['body.list.length >= 3', 'body.list.length >= 3: it is 2'],
  ['body contains two', undefined],
  ['body.list contains {"name":"two"}', undefined],
  ['body.text matches /^A.*z$/i', undefined],
  ['body.text < 7', 'body.text < 7: it is "abcz"'],
])('checks "%s"', (text, failure) => {
  const body = { n: 1, list: [{ name: 'one' }, { name: 'two' }], text: 'abcz' }
  expect(failureOf(text, response(body, { 'x-kind': 'k' }))).toBe(failure)
})

it.each(['stat 200', 'status', 'body.x matches /(/'])('refuses "%s"', text => {
  expect(() => failureOf(text, response({ x: 1 }))).toThrow(/@expect/)
})

it('keeps of a response what is the same each time', () => {
  const body = {
    id: 'x1',
    at: '2026-01-02T03:04:05.678Z',
    call: crypto.randomUUID(),
    doc: '01ARYZ6S410123456789ABCDEF',
    self: 'http://localhost:81/orders',
    items: [{ id: 1, n: 1 }],
  }
  const options = {
    headers: ['etag'],
    masks: ['body.id', 'body.items[*].id', 'header etag'],
    url: 'http://localhost:81',
  }
  expect(snapshotOf(response(body, { etag: '"1"', date: 'today' }), options)).toBe(`HTTP 200
content-type: application/json
etag: <masked>

{
  "id": "<masked>",
  "at": "<time>",
  "call": "<uuid>",
  "doc": "<ulid>",
  "self": "{{url}}/orders",
  "items": [
    {
      "id": "<masked>",
      "n": 1
    }
  ]
}`)
  const image = { ...response('x', { 'content-type': 'image/png' }), bytes: Uint8Array.of(1, 2, 255) }
  expect(snapshotOf(image, options)).toMatch(/\n<3 bytes, sha256 [\da-f]{16}>$/)
})

it('writes snapshots such that they are read as they were, and shows where two differ', () => {
  const snapshots = new Map([
    ['one', 'HTTP 200\n\n### not a title\n\\### nor this\nend'],
    ['two', 'HTTP 204'],
  ])
  expect(parseSnapshots(formatSnapshots(snapshots))).toEqual(snapshots)
  expect(differenceOf('a\nb\nc', 'a\nx\nc')).toEqual([' a', '-b', '+x', ' c'])
})
