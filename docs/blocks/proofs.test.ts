/** The page of proofs has what `npm run proofs` runs. */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { missingIn, PAGE, pageOf } from '../../agent/test/proofs/page.ts'
import { SUITES } from '../../agent/test/proofs/suites.ts'

test('each suite has one line, in the order of the suites, and all of its tests passed', async () => {
  const page = await readFile(PAGE, 'utf8')
  expect(missingIn(page, SUITES)).toEqual([])
  expect(pageOf(SUITES, { run: [], seed: '1', before: page })).toBe(page)
  const counts = [...page.matchAll(/\| (\d+) of (\d+) \|$/gm)]
  expect(counts).toHaveLength(SUITES.length)
  for (const [, passed, total] of counts) expect([Number(passed), Number(total) > 0]).toEqual([Number(total), true])
})

test('of suites that were not run the lines stay, unless they follow something else now', () => {
  const [a, b, c] = ['a', 'b', 'c'].map(name => ({ name, follows: `RFC ${name}`, files: [], isSeeded: name === 'b' }))
  const before = pageOf([a!, b!], {
    ...{ seed: '1', before: '' },
    run: [a!, b!].map(suite => ({ suite, passed: 1, total: 2 })),
  })
  expect(before).toContain('| a | RFC a | – | 1 of 2 |\n| b | RFC b | 1 | 1 of 2 |\n')
  const run = [{ suite: b!, passed: 3, total: 3 }]
  const after = pageOf([c!, b!, { ...a!, follows: 'RFC d' }], { run, seed: '7, long', before })
  expect(after).toContain('| --- |\n| b | RFC b | 7, long | 3 of 3 |\n')
  expect(missingIn(after, [a!, b!, c!])).toEqual(['a', 'c'])
})
