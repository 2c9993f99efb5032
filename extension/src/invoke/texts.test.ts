import { expect, test } from 'vitest'
import { answerText, LONGEST_BYTES, type BodyEnd } from './answer-text.ts'
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

const answer = (body: string | Uint8Array, type?: string, end: BodyEnd = { kind: 'whole' }) =>
  answerText({
    status: 200,
    statusText: 'OK',
    durationMs: 12.34,
    headers: [['date', 'today'], ...(type === undefined ? [] : [['content-type', type] as [string, string]])],
    body: typeof body === 'string' ? Buffer.from(body) : body,
    end,
  })

test('an answer shows status and time, headers and body', () => {
  expect(answer('Hi\n', 'text/plain')).toBe('HTTP 200 OK · 12 ms\ncontent-type: text/plain\n\nHi\n')
})

test('JSON is laid out, and what says it is but is not stays as it is', () => {
  expect(answer('{"a":1}', 'application/json')).toContain('{\n  "a": 1\n}\n')
  expect(answer('{"a":', 'application/problem+json')).toContain('\n\n{"a":')
})

test('what is no text is counted', () => {
  const bytes = new Uint8Array([0xff, 0xfe, 0x00])
  expect(answer(bytes, 'image/png')).toContain('(3 bytes of image/png that are not text)')
  expect(answer(bytes, 'image/png', { kind: 'cut' })).toContain('(more than 3 bytes of')
})

test('what is not whole says so, and may end within a character', () => {
  const part = Buffer.from('{"a":"ä').subarray(0, -1)
  expect(answer(part, 'application/json', { kind: 'coming' })).toMatch(/\n\n\{"a":"\n…\n$/)
  expect(answer('a\n', 'text/plain', { kind: 'broken', why: 'other side closed' })).toMatch(
    /\n\na\n\(the answer broke off: other side closed\)\n$/,
  )
  expect(answer('x'.repeat(LONGEST_BYTES + 9), 'text/plain', { kind: 'cut' })).toMatch(
    /[^x]x{524288}\n\(truncated: only the first 512 KiB are shown\)\n$/,
  )
})
