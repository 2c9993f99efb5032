import { describe, expect, it } from 'vitest'
import { ChunkedDecoder } from './chunked-decoder.ts'

/** Decodes `text` in pieces of `size` bytes; returns the body and how many bytes were taken. */
function decode(text: string, size: number): { body: string; taken: number; isDone: boolean } {
  const decoder = new ChunkedDecoder()
  let body = ''
  let taken = 0
  for (let at = 0; at < text.length && !decoder.isDone; at += size) {
    const piece = Buffer.from(text.slice(at, at + size), 'latin1')
    taken += decoder.decode(piece, { from: 0, to: piece.length }, data => (body += data.toString('latin1')))
  }
  return { body, taken, isDone: decoder.isDone }
}

describe('a chunked body', () => {
  const text = '3\r\nabc\r\n00a;name="v"\r\n0123456789\r\nF \r\nxxxxxxxxxxxxxxx\r\n0\r\nT: 1\r\nU: 2\r\n\r\n'

  it.each([1, 2, 3, 7, 1000])('reads the same in pieces of %i bytes, and stops where it ends', size => {
    expect(decode(`${text}${size === 1000 ? 'HTTP' : ''}`, size)).toEqual({
      body: 'abc0123456789xxxxxxxxxxxxxxx',
      taken: text.length,
      isDone: true,
    })
  })

  it('is not done before its last line', () => {
    expect(decode(text.slice(0, -1), 1000).isDone).toBe(false)
  })

  it.each([
    '\r\n',
    'g\r\n',
    '-1\r\n',
    '0x1\r\na\r\n',
    '1\na\r\n',
    '1\r\nab\r\n',
    '1\r\na\n',
    '1\r\na\r1',
    '11111111111111\r\n',
    '1;x\ny\r\na\r\n',
    '0\r\nT: 1\n\n',
    `1;${'x'.repeat(17_000)}`,
    `0\r\n${'T: 1\r\n'.repeat(4_000)}`,
  ])('%j is refused', bad => {
    expect(() => decode(bad, 1_000_000)).toThrow(expect.objectContaining({ kind: 'protocol' }) as Error)
    expect(() => decode(bad, 1)).toThrow(expect.objectContaining({ kind: 'protocol' }) as Error)
  })
})
