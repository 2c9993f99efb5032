import { expect, it } from 'vitest'
import { IdSource, isRequestId } from './ids.ts'

it('ids are hex, of the right length, and all different', () => {
  const ids = new IdSource()
  const made = Array.from({ length: 2_000 }, (_, i) => (i % 2 === 0 ? ids.traceId() : ids.spanId()))
  expect(new Set(made).size).toBe(made.length)
  made.forEach((id, i) => expect(id).toMatch(i % 2 === 0 ? /^[0-9a-f]{32}$/ : /^[0-9a-f]{16}$/))
})

it('a request id is accepted only if it is a short token', () => {
  expect(isRequestId('a'.repeat(128))).toBe(true)
  for (const id of ['', 'a'.repeat(129), 'a b', 'a"b', 'a\xe9', '<a>']) expect(isRequestId(id)).toBe(false)
})
