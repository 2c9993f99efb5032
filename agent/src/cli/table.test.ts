import pico from 'picocolors'
import { expect, test } from 'vitest'
import { tableLines } from './table.ts'

const HEAD = ['NAME', 'STATE', 'PROJECT', 'URL']
const ROWS = [
  ['hello', 'running', 'shop', 'http://127.0.0.1:9999/functions/hello'],
  ['checkout', 'starting', 'shop', 'http://127.0.0.1:9999/functions/checkout'],
]

test('without a width nothing is lost', () => {
  expect(tableLines(HEAD, ROWS, { width: undefined, expendable: ['PROJECT'] })).toEqual([
    'NAME      STATE     PROJECT  URL',
    'hello     running   shop     http://127.0.0.1:9999/functions/hello',
    'checkout  starting  shop     http://127.0.0.1:9999/functions/checkout',
  ])
})

test('what may be left out goes first, in the given order, and only as much as needed', () => {
  const options = { width: 62, expendable: ['PROJECT', 'STATE'] }
  expect(tableLines(HEAD, ROWS, options)[1]).toBe('hello     running   http://127.0.0.1:9999/functions/hello')
})

test('then the widest column is cut', () => {
  expect(tableLines(HEAD, ROWS, { width: 40, expendable: ['PROJECT'] })).toEqual([
    'NAME      STATE     URL',
    'hello     running   http://127.0.0.1:99…',
    'checkout  starting  http://127.0.0.1:99…',
  ])
})

test('colours take no room, wide characters take two columns', () => {
  const { green } = pico.createColors(true)
  const rows = [
    [green('ok'), '日本', 'x'],
    ['failed', 'eu', 'y'],
  ]
  expect(tableLines(['STATE', 'WHERE', ''], rows, { width: undefined })).toEqual([
    'STATE   WHERE',
    `${green('ok')}      日本   x`,
    'failed  eu     y',
  ])
})

test('a cut cell keeps no colour half open', () => {
  const { red } = pico.createColors(true)
  expect(tableLines(['STATE'], [[red('a long explanation')]], { width: 10 })).toEqual(['STATE', 'a long ex…'])
})
