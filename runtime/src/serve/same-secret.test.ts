import { expect, test } from 'vitest'
import { isSameSecret } from './same-secret.ts'

test('only the same text is the same, whatever its length and wherever it differs', () => {
  expect(isSameSecret('secret', 'secret')).toBe(true)
  expect(isSameSecret('', '')).toBe(true)
  for (const given of ['', 'secre', 'secrets', 'Secret', 'secreT', 'sEcret', 'secret\0', 'sécret']) {
    expect([given, isSameSecret(given, 'secret'), isSameSecret('secret', given)]).toEqual([given, false, false])
  }
  expect(isSameSecret('a', '')).toBe(false)
})
