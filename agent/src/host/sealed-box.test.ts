import { expect, test } from 'vitest'
import { SealedBox } from './index.ts'

const content = Buffer.from('who leads')

test('what is sealed is opened by whoever has the secret, under its name and for its purpose only', () => {
  const sealed = new SealedBox('secret', 'a').close('name', content)
  expect(new SealedBox('secret', 'a').open('name', new Uint8Array(sealed))).toEqual(content)
  expect(sealed.includes(content)).toBe(false)
  expect(new SealedBox('other', 'a').open('name', sealed)).toBeUndefined()
  expect(new SealedBox('secret', 'b').open('name', sealed)).toBeUndefined()
  expect(new SealedBox('secret', 'a').open('other', sealed)).toBeUndefined()
})

test('what was changed anywhere, cut, or is none of it, is not opened', () => {
  const box = new SealedBox('secret', 'a')
  const sealed = box.close('name', content)
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed)
    changed[at]! ^= 1
    expect(box.open('name', changed)).toBeUndefined()
    expect(box.open('name', sealed.subarray(0, at))).toBeUndefined()
  }
  expect(box.open('name', Buffer.alloc(1_000_000))).toBeUndefined()
})

test('the same content is never sealed twice alike: no two boxes share a key, and one counts', () => {
  const boxes = Array.from({ length: 100 }, () => new SealedBox('secret', 'a'))
  const sealed = [...boxes, ...boxes].map(box => box.close('name', content).toString('hex'))
  expect(new Set(sealed).size).toBe(200)
  const heads = sealed.map(text => text.slice(0, 2 * (16 + 12)))
  expect(new Set(heads).size).toBe(200)
  // More senders than are remembered.
  for (const text of sealed) expect(boxes[0]!.open('name', Buffer.from(text, 'hex'))).toEqual(content)
})

test('nothing is content too', () => {
  const box = new SealedBox('secret', 'a')
  expect(box.open('name', box.close('name', Buffer.alloc(0)))).toEqual(Buffer.alloc(0))
})
