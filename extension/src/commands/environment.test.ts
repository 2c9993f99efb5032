import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DeployFiles } from '../project/deploy-files.ts'
import { FakeEditor } from '../testing/fake-editor.ts'
import { FakeUi } from '../testing/fake-ui.ts'
import { chooseEnvironment } from './environment.ts'

let folder: string
let projects: DeployFiles
let updates: unknown[][]
let run: () => Promise<unknown>
let ui: FakeUi

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'ryo-faas-environment-')))
  updates = []
  const getConfiguration = () => ({ update: async (...change: unknown[]) => void updates.push(change) })
  mkdirSync(join(folder, 'src'))
  const editor = new FakeEditor()
  const file = join(folder, 'deploy.json')
  const entry = { name: 'A', packageDir: './src', filePath: './src/a.ts', environments: { production: {} } }
  writeFileSync(file, JSON.stringify({ deploy: [entry, { name: 'B', packageDir: './gone', filePath: './gone/b.ts' }] }))
  for (const name of ['.env', '.env.local', '.env.staging', '.env.example']) writeFileSync(join(folder, name), '')
  writeFileSync(join(folder, 'src', '.env.test.local'), '')
  editor.files = [file]
  projects = new DeployFiles(editor.api)
  ui = new FakeUi()
  const { api } = editor
  Object.assign(api.workspace, { getConfiguration })
  run = async () => chooseEnvironment.run({ editor: api, ui, projects })
})

afterEach(() => {
  projects.dispose()
  rmSync(folder, { recursive: true })
})

test('the environments of the entries and of the .env files can be chosen, and are set in the workspace', async () => {
  ui.answers = ['staging']
  await run()
  expect(ui.asked).toEqual([
    ['For which environment are functions deployed?', 'No environment', 'production', 'staging', 'test'],
  ])
  expect(updates).toEqual([['environment', 'staging', false]])
})

test('none is a choice as well', async () => {
  ui.answers = ['No environment']
  await run()
  expect(updates).toEqual([['environment', undefined, false]])
})
