import { expect, it } from 'vitest'
import { IdSource, isRequestId, isTraceParent } from './ids.ts'

it('ids are hex, of the right length, and all different', () => {
  const ids = new IdSource()
  const made = Array.from({ length: 2_000 }, (_, i) => (i % 2 === 0 ? ids.traceId() : ids.spanId()))
  expect(new Set(made).size).toBe(made.length)
  made.forEach((id, i) => expect(id).toMatch(i % 2 === 0 ? /^[0-9a-f]{32}$/ : /^[0-9a-f]{16}$/))
})

it.each([
  ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', true],
  ['01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more', true],
  ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more', false],
  ['ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', false],
  ['00-00000000000000000000000000000000-b7ad6b7169203331-01', false],
  ['00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01', false],
  ['00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01', false],
  ['', false],
])('traceparent %j is valid: %s', (value, isValid) => {
  expect(isTraceParent(value)).toBe(isValid)
})

it('a request id is taken over only if it is a short token', () => {
  expect(isRequestId('a'.repeat(128))).toBe(true)
  for (const id of ['', 'a'.repeat(129), 'a b', 'a"b', 'a\xe9', '<a>']) expect(isRequestId(id)).toBe(false)
})
