import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { MODULE_ENDINGS } from '../../../agent/src/languages/node/module-endings.ts'
import { exportOf, isOfNode, placeIn, readDeployFile, withEntry } from './deploy-file.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ryo-faas-deploy-file-')))
const file = join(folder, 'deploy.json')
mkdirSync(join(folder, 'src'))
writeFileSync(join(folder, 'src', 'a.ts'), '')
afterAll(() => rmSync(folder, { recursive: true }))

const entry = (more: object = {}) => JSON.stringify({ name: 'A', packageDir: './src', filePath: './src/a.ts', ...more })

test('entries come with their kind, absolute paths and places', () => {
  const text = `{ // one for each\n  "deploy": [${entry()}, ${entry({ name: 'B', async: true })}, ${entry({ name: 'C', on: [] })}, ${entry({ name: 'D', mainProcess: true })},] }`
  const { entries, problems, links, isWhole } = readDeployFile(file, text)
  expect(isWhole).toBe(true)
  expect(problems).toEqual([])
  expect(entries.map(({ name, kind }) => `${name} ${kind}`)).toEqual(['A http', 'B async', 'C trigger', 'D service'])
  expect(entries[0]).toMatchObject({ packageDir: join(folder, 'src'), filePath: join(folder, 'src', 'a.ts') })
  const { offset, length } = entries[0]!.nameSpan
  expect(text.slice(offset, offset + length)).toBe('"A"')
  expect(links).toHaveLength(8)
  expect(entries.map(exportOf)).toEqual(['A', 'B', 'C', 'main'])
})

test('an entry may name its export', () => {
  const { entries } = readDeployFile(file, `{ "deploy": [${entry({ export: 'default' })}] }`)
  expect(entries.map(exportOf)).toEqual(['default'])
})

test('entries in other languages are told apart, by what they say or by the ending', () => {
  const text = (fields: object) => readDeployFile(file, `{ "deploy": [${entry(fields)}] }`).entries[0]!
  for (const ending of MODULE_ENDINGS) expect(isOfNode(text({ filePath: `./src/a${ending}` }))).toBe(true)
  expect(['./src/a.py', './src/a.go', './src/ts'].map(filePath => isOfNode(text({ filePath })))).toEqual(
    Array(3).fill(false),
  )
  expect(isOfNode(text({ language: 'deno' }))).toBe(false)
  expect(isOfNode(text({ language: 'node', filePath: './src/a.ts' }))).toBe(true)
})

test('what is half written gives what can be read', () => {
  const { entries, isWhole } = readDeployFile(file, `{ "deploy": [${entry()}, { "name": "B", "packa`)
  expect([entries.length, isWhole]).toEqual([1, false])
  for (const text of ['', '[]', '{"deploy":{}}', 'null', '{"deploy":[1,null,"x",{"name":7}]}']) {
    expect(readDeployFile(file, text).entries).toEqual([])
  }
})

test('paths that lead nowhere or out, and names that stand twice, are told', () => {
  const text = `{"deploy":[${entry()},${entry({ name: 'a', filePath: './src/b.ts' })},${entry({ name: 'C', packageDir: '../x' })}]}`
  expect(readDeployFile(file, text).problems.map(({ code }) => code)).toEqual([
    'duplicate-name',
    'missing-file',
    'path-outside',
  ])
})

const NEW = {
  name: 'New',
  kind: 'http' as const,
  packageDir: join(folder, 'src'),
  filePath: join(folder, 'src', 'a.ts'),
}
const LINE = '{ "name": "New", "packageDir": "./src", "filePath": "./src/a.ts" }'

test.each([
  ['no file', undefined],
  ['an empty file', ''],
  ['a blank file', ' \n\n'],
  ['an empty object', '{}\n'],
  ['an object with a remark', '{\n  // To be filled.\n}\n'],
  ['a file that names its schema only', '{\n  "$schema": "./deploy.schema.json",\n}\n'],
  ['an empty list', '{\n  "deploy": []\n}\n'],
  ['an empty list over lines', '{\n  "deploy": [\n  ]\n}\n'],
  ['a list', `{\n  "deploy": [\n    ${entry()}\n  ]\n}\n`],
  ['a list with a trailing comma and a remark', `{\n  "deploy": [\n    ${entry()}, // that is all\n  ],\n}\n`],
])('an entry is added to %s', (_, before) => {
  const { text, span } = withEntry(file, before, NEW)
  const model = readDeployFile(file, text)
  expect(model.isWhole).toBe(true)
  expect(model.entries.at(-1)).toMatchObject(NEW)
  expect(text.slice(span.offset, span.offset + span.length)).toBe(LINE)
  expect(placeIn(text, span).start.line).toBe(text.split('\n').findIndex(line => line.includes(LINE)))
})

test('what is in the file already stays', () => {
  const before = '{\n  // Kept.\n  "$schema": "./deploy.schema.json"\n}\n'
  expect(withEntry(file, before, NEW).text).toBe(
    `{\n  // Kept.\n  "$schema": "./deploy.schema.json",\n  "deploy": [\n    ${LINE}\n  ]\n}\n`,
  )
})

test.each([
  ['an object of something else', '{ "app": "shop", "hosts": ["a"] }'],
  ['an object of something else beside a schema', '{ "$schema": "./x.json", "env": {} }'],
  ['"deploy" that is no list', '{ "deploy": { "region": "eu" } }'],
  ['a list', '[{ "name": "A" }]'],
  ['a text', 'null'],
  ['what does not parse', '{ "app": "sh'],
  ['a remark alone', '// Nothing yet.\n'],
])("another tool's deploy.json is not touched: %s", (_, before) => {
  expect(() => withEntry(file, before, NEW)).toThrow(
    expect.objectContaining({
      code: 'DEPLOY_FILE_INVALID',
      message: expect.stringContaining('is not a ryo-faas deploy.json'),
    }),
  )
})

test('a service and a trigger are written as such', () => {
  expect(withEntry(file, undefined, { ...NEW, kind: 'service' }).text).toContain('"mainProcess": true')
  expect(withEntry(file, undefined, { ...NEW, kind: 'trigger' }).text).toContain('"on": [{ "table"')
})
