import { expect, test } from 'vitest'
import { docPath, tablePath } from './store-client.ts'

test.each(['', '.', '..'])('%j is not a valid name, and does not turn into another path', name => {
  const refused = expect.objectContaining({ code: 'INVALID_REQUEST', message: expect.stringContaining('INVALID_NAME') })
  expect(() => tablePath(name)).toThrow(refused)
  expect(() => docPath('t', name)).toThrow(refused)
})

test('any other name is one segment', () => {
  expect(docPath('a/b', '%2e%2e')).toBe('/tables/a%2Fb/docs/%252e%252e')
})
