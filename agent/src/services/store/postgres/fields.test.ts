import fc from 'fast-check'
import { expect, it } from 'vitest'
import { compareValues } from '../documents/index.ts'
import { encodedKey, encodedString, fieldsText, isPlain } from './fields.ts'

/** Many of the few characters that are special here. */
const texts = fc
  .array(fc.constantFrom('\0', '\u0001', '\u0002', '\u0003', '\ud800', '\udfff', '\ufffd', 'a', 'd', '8', ';', '😀'), {
    maxLength: 6,
  })
  .map(parts => parts.join(''))

it('orders texts as they are ordered without it', () => {
  fc.assert(
    fc.property(texts, texts, (one, other) => {
      const [first, second] = [encodedString(one), encodedString(other)]
      expect(Math.sign(compareValues(first, second))).toBe(Math.sign(compareValues(one, other)))
    }),
  )
})

it('keeps what a text contains, and which plain texts are the same', () => {
  fc.assert(
    fc.property(texts, texts, (one, other) => {
      if (one.includes(other)) expect(encodedString(one)).toContain(encodedString(other))
      if (isPlain(one)) expect(encodedString(one) === encodedString(other)).toBe(one === other)
    }),
  )
})

it('keeps keys apart', () => {
  fc.assert(
    fc.property(texts, texts, (one, other) => {
      expect(encodedKey(one) === encodedKey(other)).toBe(one === other)
    }),
  )
})

it.each([
  ['{"a":[1,2.5e-7,"x"],"b":null}', '{"a":[1,2.5e-7,"x"],"b":null}'],
  ['"\\u0000"', '"\\u0001\\u0001"'],
  ['["\\ud83d\\ude00","\\ud83d"]', '["😀","\ufffd"]'],
  ['{"__proto__":{"\\u0000":1}}', '{"__proto__":{"\\u0001\\u0001":1}}'],
])('writes %s as %s', (given, expected) => {
  expect(fieldsText(given)).toBe(expected)
})
