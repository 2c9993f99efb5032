import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FakeEditor, FakeUri } from '../testing/fake-editor.ts'
import { DeployFiles } from './deploy-files.ts'
import { until } from '../testing/until.ts'

const textOf = (...names: string[]) =>
  JSON.stringify({ deploy: names.map(name => ({ name, packageDir: '.', filePath: './a.ts' })) })

let folder: string
let file: string
let editor: FakeEditor
let projects: DeployFiles

beforeEach(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'ryo-faas-deploy-files-')))
  file = join(folder, 'deploy.json')
  writeFileSync(file, textOf('Saved'))
  editor = new FakeEditor()
  editor.files = [file]
  projects = new DeployFiles(editor.api)
  await projects.load()
})

afterEach(() => {
  projects.dispose()
  rmSync(folder, { recursive: true })
})

const names = () => projects.all.flatMap(({ entries }) => entries.map(({ name }) => name))

test('what is typed counts before it is saved', () => {
  editor.open(FakeUri.file(file)).type(textOf('Typed'))
  expect(names()).toEqual(['Typed'])
})

test('what was discarded counts no longer: the document was closed', async () => {
  const document = editor.open(FakeUri.file(file))
  document.type(textOf('Typed'))
  document.close()
  await until(() => names().join() === 'Saved')
})

test('what was discarded counts no longer: the document was reverted', () => {
  const document = editor.open(FakeUri.file(file))
  document.type(textOf('Typed'))
  document.revert()
  expect(names()).toEqual(['Saved'])
})

test('what was committed is not taken for the file', async () => {
  const committed = editor.open(FakeUri.from({ scheme: 'git', path: file }), textOf('Committed'))
  committed.isDirty = true
  await projects.reread(FakeUri.file(file))
  committed.type(textOf('Committed', 'Too'))
  expect(names()).toEqual(['Saved'])
})

test('what is typed while the file is read stays', async () => {
  const document = editor.open(FakeUri.file(file))
  const read = projects.reread(FakeUri.file(file))
  document.type(textOf('Typed'))
  await read
  expect(names()).toEqual(['Typed'])
})

test('a change that leaves the text alone is told to nobody', () => {
  const document = editor.open(FakeUri.file(file))
  const told = vi.fn()
  projects.onDidChange(told)
  document.type(textOf('Typed'))
  document.type(textOf('Typed'))
  expect(told).toHaveBeenCalledTimes(1)
})

test('a file is found when the editor tells of its folder alone, and is forgotten with it', async () => {
  const came = join(folder, 'came')
  mkdirSync(came)
  writeFileSync(join(came, 'deploy.json'), textOf('Inside'))
  editor.files = [file, join(came, 'deploy.json')]
  editor.created.fire(FakeUri.file(came))
  await until(() => names().join() === 'Saved,Inside')
  editor.deleted.fire(FakeUri.file(came))
  expect(names()).toEqual(['Saved'])
})

test('while a line is half written, entries stay and move with their text', () => {
  const document = editor.open(FakeUri.file(file))
  document.type(textOf('One', 'Two'))
  const before = projects.all[0]!.entries.map(({ span }) => span.offset)
  document.type(`\n\n${textOf('One', 'Two').replace('}]}', '},{ "name": ]}')}`)
  expect(names()).toEqual(['One', 'Two'])
  expect(projects.all[0]!.entries.map(({ span }) => span.offset)).toEqual(before.map(offset => offset + 2))
})

test('a module and the field of package.json are found as well; a package.json without the field is none', async () => {
  const [module, field, other] = ['one/ryo-faas.config.mts', 'two/package.json', 'three/package.json'].map(name =>
    join(folder, name),
  ) as [string, string, string]
  for (const name of ['one', 'two', 'three']) mkdirSync(join(folder, name))
  writeFileSync(module, "export default { deploy: [{ name: 'InModule', packageDir: '.', filePath: './a.ts' }] }")
  writeFileSync(field, `{ "ryo-faas": ${textOf('InField')} }`)
  writeFileSync(other, '{ "devDependencies": { "ryo-faas": "^0.1.0" } }')
  editor.files = [file, module, field, other]
  editor.created.fire(FakeUri.file(join(folder, 'one')))
  await until(() => names().sort().join() === 'InField,InModule,Saved')
  expect(projects.all.map(model => model.file)).not.toContain(other)
  // What is typed while it is nonsense keeps the entries; without the field they are gone.
  const document = editor.open(FakeUri.file(module))
  document.type('export default { deploy: [{ name: ')
  expect(names()).toContain('InModule')
  editor.open(FakeUri.file(field)).type('{ "name": "two" }')
  expect(names()).not.toContain('InField')
})

test('of one folder, the file that the command line would name first counts', async () => {
  const [module, manifest] = ['ryo-faas.config.ts', 'package.json'].map(name => join(folder, name)) as [string, string]
  const text = "export default { deploy: [{ name: 'Saved', packageDir: '.', filePath: './a.ts' }] }"
  writeFileSync(module, text)
  writeFileSync(manifest, `{ "ryo-faas": ${textOf('Saved')} }`)
  for (const path of [manifest, module]) await projects.reread(FakeUri.file(path))
  const source = join(folder, 'a.ts')
  expect([projects.nearest(source), projects.entryOf(source, 'Saved')?.deployFile]).toEqual([file, file])
  writeFileSync(file, '{ "region": "eu" }')
  await projects.reread(FakeUri.file(file))
  expect(projects.nearest(source)).toBe(module)
})
