import { expect, test } from 'vitest'
import { isFromOtherOrigin, isOurHost } from './index.ts'

test.each(['127.0.0.1:9998', 'localhost', 'LOCALHOST:1', '[::1]:9998', '10.0.0.1', 'gateway.test:5001'])(
  '%s is one of our names',
  host => expect(isOurHost(host, new Set(['gateway.test']))).toBe(true),
)

test.each([undefined, '', 'evil.example', '127.0.0.1.nip.io', 'localhost.', '127.0.0.1:1:2', '::1', '[evil]'])(
  '%s is not',
  host => expect(isOurHost(host, new Set(['gateway.test']))).toBe(false),
)

test('a page of another origin is recognised by what its browser sends', () => {
  const host = '127.0.0.1:1'
  expect(isFromOtherOrigin({ host })).toBe(false)
  expect(isFromOtherOrigin({ host, origin: 'http://127.0.0.1:1', 'sec-fetch-site': 'same-origin' })).toBe(false)
  expect(isFromOtherOrigin({ host, 'sec-fetch-site': 'none' })).toBe(false)
  expect(isFromOtherOrigin({ host, origin: 'null' })).toBe(true)
  expect(isFromOtherOrigin({ host, origin: 'http://127.0.0.1:2' })).toBe(true)
  expect(isFromOtherOrigin({ host, 'sec-fetch-site': 'cross-site' })).toBe(true)
  expect(isFromOtherOrigin({ host, 'sec-fetch-site': 'same-site' })).toBe(true)
})
