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
  expect(namesAt([{ name: 'Hello', kind: 'http' }], 'rust')).toEqual([])
})

test('functions in Python are found where they are defined or assigned', () => {
  const code = `# def hello(request)
import flask
app: flask.Flask = flask.Flask(__name__)
app == 1
async def hello(request): pass
def main(service):
    def inner(): pass
`
  const linesOf = (...entries: Parameters<typeof declaredIn>[1]) =>
    declaredIn({ languageId: 'python', text: code }, entries).map(
      ({ offset }) => code.slice(0, offset).split('\n').length,
    )
  expect(linesOf({ name: 'hello', kind: 'http' }, { name: 'Web', export: 'app', kind: 'http' })).toEqual([5, 3])
  expect(linesOf({ name: 'Shop', kind: 'service' })).toEqual([6])
  expect(linesOf({ name: 'inner', kind: 'http' }, { name: 'absent', kind: 'http' })).toEqual([])
})
