import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { configTree } from 'ryo-faas/config-tree'
import { placeIn, readDeployFile } from './deploy-file.ts'
import { withEntry } from './new-entry.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ryo-faas-new-entry-')))
const file = join(folder, 'deploy.json')
const module = join(folder, 'ryo-faas.config.ts')
const manifest = join(folder, 'package.json')
mkdirSync(join(folder, 'src'))
writeFileSync(join(folder, 'src', 'a.ts'), '')
afterAll(() => rmSync(folder, { recursive: true }))

const entry = () => JSON.stringify({ name: 'A', packageDir: './src', filePath: './src/a.ts' })

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
  const { text, span } = withEntry({ file, text: before }, NEW)
  const model = readDeployFile(file, text)
  expect(model.isWhole).toBe(true)
  expect(model.entries.at(-1)).toMatchObject(NEW)
  expect(text.slice(span.offset, span.offset + span.length)).toBe(LINE)
  expect(placeIn(text, span).start.line).toBe(text.split('\n').findIndex(line => line.includes(LINE)))
})

test('what is in the file already stays', () => {
  const before = '{\n  // Kept.\n  "$schema": "./deploy.schema.json"\n}\n'
  expect(withEntry({ file, text: before }, NEW).text).toBe(
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
  expect(() => withEntry({ file, text: before }, NEW)).toThrow(
    expect.objectContaining({
      code: 'DEPLOY_FILE_INVALID',
      message: expect.stringContaining('is not a ryo-faas deploy.json'),
    }),
  )
})

test('a service and a trigger are written as such', () => {
  expect(withEntry({ file, text: undefined }, { ...NEW, kind: 'service' }).text).toContain('"mainProcess": true')
  expect(withEntry({ file, text: undefined }, { ...NEW, kind: 'trigger' }).text).toContain('"on": [{ "table"')
})

const FIELDS = "name: 'A', packageDir: './src', filePath: './src/a.ts'"
const CODE = "{ name: 'New', packageDir: './src', filePath: './src/a.ts' }"

test.each([
  ['a list', `export default { deploy: [{ ${FIELDS} }] }`],
  ['a list over lines', `export default defineConfig({\n  deploy: [\n    { ${FIELDS} },\n  ],\n})\n`],
  [
    'an empty list',
    "import { defineConfig } from '@ryo-faas/runtime/config'\nexport default defineConfig({ deploy: [] })",
  ],
  ['a list elsewhere in the file', `const all = [{ ${FIELDS} }] as const\nexport default { deploy: all }`],
  ['a list that ends with others', `const more = [{ ${FIELDS} }]\nexport default { deploy: [...more] }`],
  ['an element that says its type', `export default { deploy: [{ ${FIELDS} } satisfies object] }`],
])('an entry is added to a module: %s', (_, before) => {
  const { text, span } = withEntry({ file: module, text: before, readModule: configTree }, NEW)
  const { entries, isWhole, problems } = readDeployFile(module, text, configTree)
  expect([isWhole, problems]).toEqual([true, []])
  expect(entries.filter(({ name }) => name === 'New')).toMatchObject([NEW])
  expect(entries).toHaveLength(before.includes('name:') ? 2 : 1)
  expect(text.slice(span.offset, span.offset + span.length)).toBe(CODE)
})

test('code is written in the quotes of its file', () => {
  const before = `export default { deploy: [{ ${FIELDS.replaceAll("'", '"')} }] }`
  const { text } = withEntry({ file: module, text: before, readModule: configTree }, NEW)
  expect(text).toContain(CODE.replaceAll("'", '"'))
})

test('a module whose list is not in its text is not touched, and the user is told what to write', () => {
  for (const before of ["import { all } from './all.ts'\nexport default { deploy: all }", 'export default {', '']) {
    expect(() => withEntry({ file: module, text: before, readModule: configTree }, NEW)).toThrow(
      expect.objectContaining({ code: 'DEPLOY_FILE_INVALID', message: expect.stringContaining('without running it') }),
    )
  }
})

test.each([
  ['an empty field', '{\n  "name": "shop",\n  "ryo-faas": {}\n}\n'],
  ['a list', `{\n  "name": "shop",\n  "ryo-faas": {\n    "deploy": [\n      ${entry()}\n    ]\n  }\n}\n`],
])('an entry is added to package.json: %s', (_, before) => {
  const { text, span } = withEntry({ file: manifest, text: before }, NEW)
  const { name, 'ryo-faas': field } = JSON.parse(text) as { name: string; 'ryo-faas': { deploy: object[] } }
  expect([name, field.deploy.at(-1)]).toEqual(['shop', JSON.parse(LINE)])
  expect(text.slice(span.offset, span.offset + span.length)).toBe(LINE)
})
