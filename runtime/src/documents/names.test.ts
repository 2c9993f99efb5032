import { expect, it } from 'vitest'
import { parseFieldPath, valueAt } from './field-path.ts'
import { nameProblem } from './names.ts'
import { mergePatch } from './plan-writes.ts'

it.each(['a', 'A-1_b', 'a.b', '...', 'a/b', '../x', 'a b', 'ä', '😀', '%', '*', '>', 'x'.repeat(512), '€'.repeat(170)])(
  'takes the name %j',
  name => expect(nameProblem(name)).toBeUndefined(),
)

it.each(['', '.', '..', 'a\u0000', '\n', '\u007F', '\u0085', '\uD800', 'a\uDC00b', 'x'.repeat(513), '€'.repeat(171)])(
  'refuses the name %j',
  name => expect(nameProblem(name)).toBeTypeOf('string'),
)

it('finds fields by dots, by pointers, and those of the document itself', () => {
  const data = { a: { 'b.c': 1, 'd/e': 2, '~': 3 }, list: [{ n: 4 }], '': 5, own: null }
  const document = { id: 'i', table: 't', version: 3, createdAt: '2020', editedAt: '2021', data }
  const at = (path: string) => valueAt(document, parseFieldPath(path))
  expect([at('/a/b.c'), at('/a/d~1e'), at('/a/~0'), at('list.0.n'), at('/')]).toEqual([1, 2, 3, 4, 5])
  expect([at('own'), at('own.x'), at('list.length'), at('a.toString'), at('__proto__'), at('x')]).toEqual([
    null,
    ...Array.from({ length: 5 }, () => undefined),
  ])
  expect([at('$id'), at('$version'), at('$createdAt'), at('$editedAt')]).toEqual(['i', 3, '2020', '2021'])
  expect(parseFieldPath('/a/b').path).toBe('a.b')
  expect(parseFieldPath('/a/b.c').path).toBe('/a/b.c')
})

it.each(['', 'a..b', '.a', 'a.', '$nope', '/a~2', 'x'.repeat(600)])('refuses the field %j', path =>
  expect(() => parseFieldPath(path)).toThrow(expect.objectContaining({ code: 'INVALID_QUERY' })),
)

// The examples of RFC 7386, appendix A.
it.each([
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
])('merges %j with %j to %j', (target, patch, result) => {
  expect(JSON.parse(JSON.stringify(mergePatch(target, patch)))).toEqual(result)
})
