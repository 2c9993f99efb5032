import { expect, it } from 'vitest'
import { endOfType, justAfter, orderKey, orderKeyLength, startOfType } from './order-key.ts'

const IN_ORDER: unknown[] = [
  undefined,
  null,
  false,
  true,
  ...[-Number.MAX_VALUE, -1e10, -2, -1.5, -1, -1e-300, 0, 5e-324, 0.1, 1, 1.5, 2, 10, 2 ** 53, Number.MAX_VALUE],
  ...['', '\u0000', '\u0000a', '\u0001', ' ', '1', 'A', 'a', 'a\u0000', 'a\u0000b', 'aa', 'b', 'é', '\uFFFD', '😀'],
  {},
]

it('compares like the values', () => {
  const keys = IN_ORDER.map(orderKey)
  for (let at = 1; at < keys.length; at += 1) {
    expect(Buffer.compare(keys[at - 1]!, keys[at]!), `${String(IN_ORDER[at - 1])} < ${String(IN_ORDER[at])}`).toBe(-1)
  }
  expect(orderKey(-0)).toEqual(orderKey(0))
})

it('tells where an id that follows begins, whatever the id', () => {
  for (const value of [...IN_ORDER, 'x'.repeat(5_000), `${'x'.repeat(70)}\u0000a`]) {
    const key = orderKey(value)
    for (const id of ['\u0001', 'id', '\uFFFF😀']) {
      expect(orderKeyLength(Buffer.concat([key, Buffer.from(id)]))).toBe(key.length)
    }
  }
})

it('fits a key however long a string is', () => {
  for (const long of ['a'.repeat(10_000), '\u0000'.repeat(10_000), '😀'.repeat(10_000)]) {
    expect(orderKey(long).length + 4 + 512).toBeLessThanOrEqual(1978)
    expect(orderKey(`${long}x`)).toEqual(orderKey(long))
  }
})

it('knows the bounds of a type, and what comes behind a value', () => {
  for (const value of IN_ORDER.filter(one => typeof one === 'number' || typeof one === 'string')) {
    const key = orderKey(value)
    expect(Buffer.compare(startOfType(value), key)).toBe(-1)
    expect(Buffer.compare(key, endOfType(value))).toBe(-1)
    expect(Buffer.compare(Buffer.concat([key, Buffer.from('\u{10FFFF}')]), justAfter(key))).toBe(-1)
  }
})
