import { expect, test } from 'vitest'
import { answerText } from './answer-text.ts'
import { firstRequest, parseRequest } from './request-text.ts'

test('a request is a line, headers, an empty line and a body', () => {
  const text =
    '# remark\n\nPost /functions/a/b?x=1 HTTP/1.1\r\nX-Name:  some value \n# another: remark\naccept:*/*\n\nline 1\n\nline 2\n'
  expect(parseRequest(text)).toEqual({
    kind: 'request',
    request: {
      method: 'POST',
      path: '/functions/a/b?x=1',
      headers: [
        ['X-Name', 'some value'],
        ['accept', '*/*'],
      ],
      body: 'line 1\n\nline 2',
    },
  })
})

test('GET has no body, and an empty one is none', () => {
  expect(parseRequest('GET /a\n\nbody')).toMatchObject({ request: { body: undefined } })
  expect(parseRequest('PUT /a\n\n')).toMatchObject({ request: { body: undefined, headers: [] } })
})

test('what is wrong is told with its line', () => {
  expect(parseRequest('# nothing')).toMatchObject({ kind: 'wrong' })
  expect(parseRequest('\nhello')).toMatchObject({ kind: 'wrong', line: 1 })
  expect(parseRequest('GET http://other/')).toMatchObject({ kind: 'wrong', line: 0 })
  expect(parseRequest('GET /\nno header')).toMatchObject({ kind: 'wrong', line: 1 })
})

test('the first request of every kind of function can be sent', () => {
  for (const kind of ['http', 'async', 'service', 'trigger'] as const) {
    const parsed = parseRequest(firstRequest('Hello', kind))
    expect(parsed).toMatchObject({ kind: 'request', request: { path: '/functions/hello' } })
  }
})

const answer = (body: string | Uint8Array, type?: string) =>
  answerText({
    status: 200,
    statusText: 'OK',
    durationMs: 12.34,
    headers: [['date', 'today'], ...(type === undefined ? [] : [['content-type', type] as [string, string]])],
    body: typeof body === 'string' ? Buffer.from(body) : body,
  })

test('an answer shows status and time, headers and body', () => {
  expect(answer('Hi\n', 'text/plain')).toBe('HTTP 200 OK · 12 ms\ncontent-type: text/plain\n\nHi\n')
})

test('JSON is laid out, and what says it is but is not stays as it is', () => {
  expect(answer('{"a":1}', 'application/json')).toContain('{\n  "a": 1\n}\n')
  expect(answer('{"a":', 'application/problem+json')).toContain('\n\n{"a":')
})

test('what is no text is counted, and what is long is cut', () => {
  expect(answer(new Uint8Array([0xff, 0xfe, 0x00]), 'image/png')).toContain('(3 bytes of image/png that are not text)')
  expect(answer('x'.repeat(10_000_000))).toMatch(/bytes more\)\n$/)
})
