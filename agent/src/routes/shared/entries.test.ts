import { expect, it } from 'vitest'
import { Entries, inPieces, routeEntry, wholeOf } from './entries.ts'
import { Sealer } from './sealer.ts'

const MOST = 4_000
const ENTRY = routeEntry('fn/1')

it.each([
  ['fits', 'a'.repeat(1_000), 1],
  ['is one character too long', 'a'.repeat(1_001), 2],
  ['has three bytes for each character', '€'.repeat(3_000), 3],
  ['has surrogate pairs across the ends of pieces', `x${'🦊'.repeat(2_000)}`, 5],
  ['is longer as JSON', '"\\'.repeat(1_500), 3],
  ['is empty', '', 1],
])('a text that %s is whole again, and each of its entries fits a message', (_, text, count) => {
  const sealer = new Sealer('k'.repeat(43))
  const pieces = inPieces(ENTRY, text, MOST)
  expect(pieces).toHaveLength(count)
  const entries = new Entries(sealer)
  // They come in any order.
  for (const [entry, piece] of pieces.reverse()) {
    expect(wholeOf(entry)).toBe(ENTRY)
    const sealed = sealer.seal(entry, piece)
    expect(sealed.length).toBeLessThanOrEqual(MOST)
    entries.set(entry, sealer.open(entry, sealed))
  }
  expect(entries.whole(ENTRY)).toBe(text)
})

it('a piece that is missing, or was put back from another text, does not pass for the table', () => {
  const sealer = new Sealer('k'.repeat(43))
  const digestOf = (...all: [string, string][]) => {
    const entries = new Entries(sealer)
    for (const [entry, text] of all) entries.set(entry, text)
    return entries.digest
  }
  const [before, now] = ['a', 'b'].map(letter => inPieces(ENTRY, letter.repeat(1_500), MOST)) as [
    [string, string][],
    [string, string][],
  ]
  const whole = digestOf(...now)
  expect(digestOf(...now.toReversed())).toBe(whole)
  for (const other of [[now[0]!], [now[0]!, before[1]!], [...now, [`${ENTRY}/2`, '""'] as [string, string]]]) {
    expect(digestOf(...other)).not.toBe(whole)
  }
})
