import { expect, it } from 'vitest'
import { Sealer } from './sealer.ts'

const [key, other] = ['a'.repeat(43), 'b'.repeat(43)]
const TEXT = JSON.stringify({ secrets: { session: 'hunter2'.repeat(100) } })

it('what is sealed is opened with the same key for the same purpose, and by nobody else', () => {
  const sealed = new Sealer(key).seal('route.hello', TEXT)
  expect(new Sealer(key).open('route.hello', sealed)).toBe(TEXT)
  expect(new Sealer(other).open('route.hello', sealed)).toBeUndefined()
  expect(new Sealer(key).open('route.other', sealed)).toBeUndefined()
  expect(sealed.includes('hunter2')).toBe(false)
})

it('what was changed anywhere, or is garbage, is not opened', () => {
  const sealed = new Sealer(key).seal('head', '{}')
  for (let at = 0; at < sealed.length; at += 1) {
    const changed = Buffer.from(sealed)
    changed[at]! ^= 1
    expect(new Sealer(key).open('head', changed)).toBeUndefined()
  }
  for (const size of [0, 1, 43, 44, 10_000]) expect(new Sealer(key).open('head', Buffer.alloc(size))).toBeUndefined()
})

it('the same text is sealed in another way each time, also by the next process', () => {
  const [one, two] = [new Sealer(key), new Sealer(key)]
  const all = [one.seal('head', TEXT), one.seal('head', TEXT), two.seal('head', TEXT)].map(each => each.toString('hex'))
  expect(new Set(all).size).toBe(3)
  // Salt and nonce: no pair comes twice.
  expect(new Set(all.map(each => each.slice(0, 2 * 28))).size).toBe(3)
  const opener = new Sealer(key)
  for (let n = 0; n < 200; n += 1) expect(opener.open('p', new Sealer(key).seal('p', String(n)))).toBe(String(n))
})

it('a fingerprint is the same in all processes with the key, and another with another key or purpose', () => {
  const print = new Sealer(key).fingerprint('route.a', TEXT)
  expect(new Sealer(key).fingerprint('route.a', TEXT)).toBe(print)
  expect(new Sealer(other).fingerprint('route.a', TEXT)).not.toBe(print)
  expect(new Sealer(key).fingerprint('route.b', TEXT)).not.toBe(print)
})
