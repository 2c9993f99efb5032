import { expect, it } from 'vitest'
import { documentModel, type DocumentInput, type DocumentOperation, type DocumentOutput } from './document-model.ts'
import { isLinearizable } from './linearizability.ts'

const put = (value: string, ifVersion?: number): DocumentInput => ({
  ...{ kind: 'put', value },
  ...(ifVersion !== undefined && { ifVersion }),
})
const get: DocumentInput = { kind: 'get' }
const remove: DocumentInput = { kind: 'delete' }
const is = (version: number, value?: string): DocumentOutput => ({
  ...{ kind: 'done', version },
  ...(value !== undefined && { value }),
})

/** Called, answered (absent: never), what, and the answer. */
type Line = [calledAt: number, answeredAt: number | undefined, input: DocumentInput, output?: DocumentOutput]

const check = (lines: Line[]) =>
  isLinearizable(
    lines.map(([calledAt, answeredAt = Infinity, input, output]): DocumentOperation => ({
      ...{ calledAt, answeredAt, input },
      ...(output && { output }),
    })),
    documentModel,
  )

it.each<[string, Line[]]>([
  ['nothing happened', []],
  [
    'one after the other',
    [
      [1, 2, get, { kind: 'absent' }],
      [3, 4, put('a'), is(1)],
      [5, 6, get, is(1, 'a')],
      [7, 8, remove, { kind: 'deleted' }],
      [9, 10, put('b', 0), is(3)],
    ],
  ],
  [
    'a read sees a write that is not answered yet, and another one does not',
    [
      [1, 10, put('a'), is(1)],
      [2, 3, get, { kind: 'absent' }],
      [4, 5, get, is(1, 'a')],
    ],
  ],
  [
    'two at once, of which one is refused',
    [
      [1, 4, put('a', 0), is(1)],
      [2, 3, put('b', 0), { kind: 'refused' }],
    ],
  ],
  [
    'a write without an answer that took effect late',
    [
      [1, undefined, put('a')],
      [2, 3, put('b'), is(1)],
      [4, 5, get, is(1, 'b')],
      [6, 7, get, is(2, 'a')],
    ],
  ],
  [
    'a write without an answer that never took effect',
    [
      [1, undefined, put('a')],
      [2, 3, get, { kind: 'absent' }],
      [4, 5, put('b', 0), is(1)],
    ],
  ],
])('accepts: %s', (_, lines) => {
  expect(check(lines)).toBe(true)
})

it.each<[string, Line[]]>([
  [
    'a write that was answered is lost',
    [
      [1, 2, put('a'), is(1)],
      [3, 4, get, { kind: 'absent' }],
    ],
  ],
  [
    'an old value is read after a new one',
    [
      [1, 2, put('a'), is(1)],
      [3, 20, put('b'), is(2)],
      [4, 5, get, is(2, 'b')],
      [6, 7, get, is(1, 'a')],
    ],
  ],
  [
    'both of two that must be the first are kept',
    [
      [1, 4, put('a', 0), is(1)],
      [2, 3, put('b', 0), is(1)],
    ],
  ],
  [
    'a write that was said not to be kept is there',
    [
      [1, 2, put('a'), { kind: 'not-done' }],
      [3, 4, get, is(1, 'a')],
    ],
  ],
  [
    'a write without an answer took effect twice',
    [
      [1, undefined, put('a')],
      [2, 3, get, is(1, 'a')],
      [4, 5, put('b'), is(2)],
      [6, 7, get, is(3, 'a')],
    ],
  ],
  [
    'a write is seen before it was asked for',
    [
      [1, 2, get, is(1, 'a')],
      [3, 4, put('a'), is(1)],
    ],
  ],
  [
    'a version is left out',
    [
      [1, 2, put('a'), is(1)],
      [3, 4, put('b'), is(3)],
    ],
  ],
])('rejects: %s', (_, lines) => {
  expect(check(lines)).toBe(false)
})

it('finds one wrong answer among many, with many at once', () => {
  const lines: Line[] = []
  let version = 0
  for (let round = 0; round < 200; round += 1) {
    const from = round * 20
    // Eight writes at once, answered in another order than they took effect.
    for (let n = 0; n < 8; n += 1)
      lines.push([from + n, from + 19 - n, put(`${round}.${n}`), is(version + 1 + ((n * 5) % 8))])
    version += 8
    lines.push([from + 19.5, from + 19.6, get, is(version, `${round}.${(7 * 5) % 8}`)])
  }
  expect(check(lines)).toBe(true)
  const wrong = lines.map((line, at): Line =>
    at === 899 ? [line[0], line[1], line[2], is(version - 791, '99.0')] : line,
  )
  expect(check(wrong)).toBe(false)
})
