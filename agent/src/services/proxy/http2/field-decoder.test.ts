import { describe, expect, test } from 'vitest'
import { FieldDecoder, MAX_LIST_BYTES, type Fields } from './field-decoder.ts'
import { ConnectionError } from './frames.ts'

const decoder = () => new FieldDecoder<Fields>(fields => fields)
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** RFC 7541, Appendix C.3 and C.4: one connection each. */
const REQUESTS = [
  ':method GET :scheme http :path / :authority www.example.com',
  ':method GET :scheme http :path / :authority www.example.com cache-control no-cache',
  ':method GET :scheme https :path /index.html :authority www.example.com custom-key custom-value',
]
test.each([
  [
    'as they are',
    [
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ],
  ],
  [
    'with the code of Huffman',
    [
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ],
  ],
])('the requests of RFC 7541, %s', (_what, blocks) => {
  const mine = decoder()
  expect(blocks.map(block => (mine.decode(hex(block)) as string[]).join(' '))).toEqual(REQUESTS)
})

/** RFC 7541, Appendix C.6: what the table has no room for is dropped, oldest first. The size is that of the example. */
test('the table forgets what it has no room for', () => {
  const mine = decoder()
  const resized = '3f e1 01' // 256 bytes
  const blocks = [
    `${resized} 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
    '4883 640e ffc1 c0bf',
  ]
  const lists = blocks.map(block => mine.decode(hex(block)) as string[])
  expect(lists[0]).toEqual([
    ...[':status', '302', 'cache-control', 'private', 'date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ...['location', 'https://www.example.com'],
  ])
  expect(lists[1]).toEqual([
    ...[':status', '307', 'cache-control', 'private', 'date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ...['location', 'https://www.example.com'],
  ])
  expect(() => mine.decode(hex('c2'))).toThrow(ConnectionError)
})

test('a block that comes again is understood once, until the table changes', () => {
  let count = 0
  const mine = new FieldDecoder<Fields>(fields => ((count += 1), fields))
  const added = hex('400161 0162')
  const used = hex('be')
  mine.decode(added)
  expect([mine.decode(used), mine.decode(used)]).toEqual([
    ['a', 'b'],
    ['a', 'b'],
  ])
  expect(count).toBe(2)
  mine.decode(hex('400163 0164'))
  expect(mine.decode(used)).toEqual(['c', 'd'])
})

test('a block of small references to a large field costs no more than it is long, and the table stays right', () => {
  const mine = decoder()
  const large = Buffer.concat([hex('4001 61 7f 81 1e'), Buffer.alloc(4000, 'x')]) // 127 + 1 + 30 * 128 = 3968
  mine.decode(large.subarray(0, 6 + 3968))
  const bomb = Buffer.concat([Buffer.alloc(16_000, 0xbe), hex('4001 62 01 63')])
  expect(mine.decode(bomb)).toBe('too-large')
  expect(mine.decode(hex('be'))).toEqual(['b', 'c'])
  expect(MAX_LIST_BYTES).toBeLessThan(16_000 * 4_000)
})

describe('refused', () => {
  test.each([
    ['an index of nothing', '80'],
    ['an index beyond the table', 'be'],
    ['a name beyond the table', '7f 00 01 61'],
    ['a table that is too large', '3f e2 1f'],
    ['a table that is resized behind a field', '82 20'],
    ['a number that is cut off', '7f'],
    ['a number without end', 'ff ff ff ff ff ff ff ff 7f'],
    ['a text that is cut off', '00 05 61'],
    ['a text without its length', '00'],
    ['Huffman padding of zeros', '00 81 18 01 61'], // 'a' is 00011, then 000
    ['Huffman padding of a whole byte', '00 82 1f ff 01 61'],
    ['EOS within a text', '00 84 ff ff ff ff 01 61'],
  ])('%s', (_what, block) => {
    expect(() => decoder().decode(hex(block))).toThrow(ConnectionError)
  })
})
