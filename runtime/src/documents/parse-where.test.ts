import { expect, it } from 'vitest'
import { parseWhere } from './parse-where.ts'

const plain = (text: string) =>
  parseWhere(text).map(({ field, operator, value }) => [field.path, operator, value] as [string, string, unknown])

it.each([
  ['{}', []],
  [
    '{"a":1,"b.c":"x","d":null,"e":[1]}',
    [
      ['a', '=', 1],
      ['b.c', '=', 'x'],
      ['d', '=', null],
      ['e', '=', [1]],
    ],
  ],
  [
    '{"a":{">=":1,"<":5},"b":{"in":[1,"2"]}}',
    [
      ['a', '>=', 1],
      ['a', '<', 5],
      ['b', 'in', [1, '2']],
    ],
  ],
  [
    '{"a":{"=":{"x":1}},"b":{"exists":false},"c":{"contains":"y"}}',
    [
      ['a', '=', { x: 1 }],
      ['b', 'exists', false],
      ['c', 'contains', 'y'],
    ],
  ],
] as [string, unknown[]][])('reads %s', (text, conditions) => {
  expect(plain(text)).toEqual(conditions)
})

it.each([
  ['amount>=10', [['amount', '>=', 10]]],
  [
    'amount >= 10 and amount < 20',
    [
      ['amount', '>=', 10],
      ['amount', '<', 20],
    ],
  ],
  ['customer.city=Kiel', [['customer.city', '=', 'Kiel']]],
  [
    'city = "Bad and good" AND x != null',
    [
      ['city', '=', 'Bad and good'],
      ['x', '!=', null],
    ],
  ],
  [
    'city in ["a","b c"] and tags contains new',
    [
      ['city', 'in', ['a', 'b c']],
      ['tags', 'contains', 'new'],
    ],
  ],
  [
    'email exists and age exists false',
    [
      ['email', 'exists', true],
      ['age', 'exists', false],
    ],
  ],
  ['"a b" = 1', [['a b', '=', 1]]],
  [
    'a = {"x":[1,"}"]} and b = "q\\"uote"',
    [
      ['a', '=', { x: [1, '}'] }],
      ['b', '=', 'q"uote'],
    ],
  ],
  ['$createdAt > 2024-01-01', [['$createdAt', '>', '2024-01-01']]],
  ['/prices/10.50 <= -1.5e3', [['/prices/10.50', '<=', -1500]]],
  ['  a=-1  ', [['a', '=', -1]]],
] as [string, unknown[]][])('reads %s', (text, conditions) => {
  expect(plain(text)).toEqual(conditions)
})

it.each([
  ['{"a":', 'INVALID_QUERY', 'not JSON'],
  ['{"a":{}}', 'INVALID_QUERY', 'says nothing'],
  ['{"a":{"like":1}}', 'UNKNOWN_OPERATOR', '"like"'],
  ['{"a":{"$gt":1}}', 'UNKNOWN_OPERATOR', '>='],
  ['{"a":{">":null}}', 'INVALID_QUERY', 'neither a number nor a string'],
  ['{"a":{"in":1}}', 'INVALID_QUERY', 'without a list'],
  ['{"a":{"exists":1}}', 'INVALID_QUERY', 'neither true nor false'],
  ['{"a..b":1}', 'INVALID_QUERY', 'empty part'],
  ['', 'INVALID_QUERY', 'lacks a field'],
  ['a', 'INVALID_QUERY', 'lacks an operator'],
  ['a =', 'INVALID_QUERY', 'lacks a value'],
  ['a == 1', 'UNKNOWN_OPERATOR', '"=="'],
  ['a like 1', 'UNKNOWN_OPERATOR', '"like"'],
  ['a = 1 or b = 2', 'INVALID_QUERY', 'lacks "and" at 5'],
  ['a = 1 and ', 'INVALID_QUERY', 'ends in "and"'],
  ['a = [1', 'INVALID_QUERY', 'not JSON at 4'],
  [Array.from({ length: 51 }, () => 'a=1').join(' and '), 'INVALID_QUERY', 'more than 50'],
  ['x'.repeat(40_000), 'INVALID_QUERY', 'longer'],
])('refuses %.40s: %s', (text, code, message) => {
  expect(() => parseWhere(text)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(message) }))
})
