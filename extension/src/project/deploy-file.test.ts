import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { configTree } from 'ryo-faas/config-tree'
import { MODULE_ENDINGS } from '../../../agent/src/languages/node/module-endings.ts'
import { exportOf, isOfNode, readDeployFile } from './deploy-file.ts'

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

const MODULE = `import { defineConfig } from '@ryo-faas/runtime/config'
const packageDir = './src'
const shared = { packageDir, filePath: \`\${packageDir}/a.ts\` }
export default defineConfig({
  deploy: [
    { name: 'A', ...shared, environments: { staging: { memoryMb: 512 } } },
    { name: 'B', ...shared, async: true, environments: { staging: {}, production: {} } },
  ],
})
`

test('a module is read without being run: entries, their places, environments', () => {
  const module = join(folder, 'ryo-faas.config.ts')
  const { entries, problems, environments } = readDeployFile(module, MODULE, configTree)
  expect(problems).toEqual([])
  expect(entries.map(({ name, kind, filePath }) => [name, kind, filePath])).toEqual([
    ['A', 'http', join(folder, 'src', 'a.ts')],
    ['B', 'async', join(folder, 'src', 'a.ts')],
  ])
  expect(entries.map(({ nameSpan: { offset, length } }) => MODULE.slice(offset, offset + length))).toEqual([
    "'A'",
    "'B'",
  ])
  expect(environments).toEqual(['staging', 'production'])
})

test('what would have to be run is told where it is', () => {
  const module = join(folder, 'ryo-faas.config.ts')
  const text = 'export default { deploy: all() }'
  const { isWhole, problems } = readDeployFile(module, text, configTree)
  expect(isWhole).toBe(false)
  expect(problems).toMatchObject([{ code: 'not-static', offset: text.indexOf('all()'), length: 5 }])
})

test('in package.json its field counts, and places are those of the whole file', () => {
  const manifest = join(folder, 'package.json')
  const text = `{ "name": "shop", "deploy": [], "ryo-faas": { "deploy": [${entry()}] } }`
  const { entries, hasSettings, isOurs } = readDeployFile(manifest, text)
  expect([hasSettings, isOurs]).toEqual([true, true])
  const { offset, length } = entries[0]!.nameSpan
  expect([text.slice(offset, offset + length), offset]).toEqual(['"A"', text.lastIndexOf('"A"')])
  expect(readDeployFile(manifest, '{ "deploy": [] }').hasSettings).toBe(false)
})
