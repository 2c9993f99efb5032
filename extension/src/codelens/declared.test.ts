import { expect, test } from 'vitest'
import { declaredIn } from './declared.ts'

const text = `package shop

// func Hello is below.
func helper() {}

func Hello(w http.ResponseWriter, r *http.Request) {}
var App = http.NewServeMux()

func HelloAgain(w http.ResponseWriter, r *http.Request) {}
func Init() {}
`
const namesAt = (entries: Parameters<typeof declaredIn>[1], languageId = 'go') =>
  declaredIn({ languageId, text }, entries).map(({ name, offset }) => [name, text.slice(offset).split(/[ (]/)[1]])

test('functions in Go are found where they are declared, by what deploy.json says', () => {
  expect(
    namesAt([
      { name: 'Hello', kind: 'http' },
      { name: 'other', export: 'App', kind: 'async' },
      { name: 'Shop', kind: 'service' },
      { name: 'Nothing', kind: 'http' },
    ]),
  ).toEqual([
    ['Hello', 'Hello'],
    ['other', 'App'],
    ['Shop', 'Init'],
  ])
  expect(namesAt([{ name: 'Hello', kind: 'http' }], 'python')).toEqual([])
})
