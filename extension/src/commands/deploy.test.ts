import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { RyoFaasError } from 'ryo-faas/contract'
import type { Deployed, DeployRequest } from '../agent/deploys.ts'
import { DeployFiles } from '../project/deploy-files.ts'
import { FakeEditor, FakeUri } from '../testing/fake-editor.ts'
import { FakeUi } from '../testing/fake-ui.ts'
import { until } from '../testing/until.ts'
import { deployOne, type ForDeployOne } from './deploy.ts'

const SAVED = JSON.stringify({ deploy: [{ name: 'Hello', packageDir: './src', filePath: './src/a.ts' }] })
const ENTRY = JSON.stringify({ name: 'Fresh', packageDir: './src', filePath: './src/b.ts' })
const NAMES = ['deploy.json', 'src/a.ts', 'src/b.ts', 'src-of-another/c.ts']
const DEPLOYED: Deployed = {
  type: 'deployed',
  name: 'Hello',
  version: 12,
  url: 'http://127.0.0.1:1/functions/hello',
  outcome: 'updated',
  durationMs: 1,
}

let folder: string
let editor: FakeEditor
let ui: FakeUi
let projects: DeployFiles
let run: (request: DeployRequest) => Promise<Deployed[]>

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'ryo-faas-deploy-')))
  for (const name of ['src', 'src-of-another']) mkdirSync(join(folder, name))
  for (const name of NAMES) writeFileSync(join(folder, name), name === 'deploy.json' ? SAVED : 'saved')
  editor = new FakeEditor()
  editor.files = [join(folder, 'deploy.json')]
  ui = new FakeUi()
  projects = new DeployFiles(editor.api)
  run = vi.fn(async () => [DEPLOYED])
})

afterEach(() => {
  projects.dispose()
  rmSync(folder, { recursive: true })
})

function deploy(argument: unknown): Promise<Deployed | undefined> {
  const parts: ForDeployOne = {
    editor: editor.api,
    ui,
    projects,
    link: {
      ...{ refresh: async () => undefined, snapshot: undefined, deployment: () => undefined, server: undefined },
      notRunning: () => new RyoFaasError('NOT_RUNNING', 'ryo-faas is not running'),
    },
    handlers: {
      sites: async () => [],
      lensSites: async () => [],
      problemsOf: async () => [],
      packageDirOf: () => join(folder, 'src'),
    },
    deploys: { run: request => run(request) },
    showProblems: () => undefined,
  }
  return deployOne(parts, argument, { debug: false })
}

test('what is deployed is saved before: the package and its deploy.json, nothing else and nothing of git', async () => {
  const typed = { 'deploy.json': `${SAVED}\n` }
  for (const name of NAMES) {
    const path = join(folder, name)
    editor.open(FakeUri.from({ scheme: 'git', path }), 'committed').type('committed')
    editor.open(FakeUri.file(path)).type(typed[name as 'deploy.json'] ?? 'typed')
  }
  let atDeploy: string[] = []
  run = async () => {
    atDeploy = NAMES.map(name => readFileSync(join(folder, name), 'utf8'))
    return [DEPLOYED]
  }
  await deploy({ name: 'Hello', file: join(folder, 'src', 'a.ts') })
  expect(atDeploy).toEqual([typed['deploy.json'], 'typed', 'typed', 'saved'])
})

test('the files are looked for once, also if the user has to choose the function', async () => {
  const load = vi.spyOn(projects, 'load')
  ui.answers = ['Hello']
  expect(await deploy(undefined)).toMatchObject({ version: 12 })
  expect(ui.asked).toEqual([['Which function?', 'Hello']])
  expect(load).toHaveBeenCalledTimes(1)
})

test('an entry that is already in the file, and that nobody has told of, is not written a second time', async () => {
  const deployFile = join(folder, 'src', 'deploy.json')
  const text = JSON.stringify({ deploy: [{ name: 'Fresh', packageDir: '.', filePath: './a.ts' }] })
  writeFileSync(deployFile, text)
  editor.files = []
  await deploy({ name: 'Fresh', file: join(folder, 'src', 'a.ts') })
  expect(readFileSync(deployFile, 'utf8')).toBe(text)
  expect(run).toHaveBeenCalledTimes(1)
})

test('two quick clicks write one entry, and deploy it twice', async () => {
  let applied = 0
  let isSecondClick = false
  // The editor takes its time.
  editor.applyEdit = async () => {
    applied++
    await until(() => isSecondClick)
    writeFileSync(join(folder, 'deploy.json'), SAVED.replace(']', `,${ENTRY}]`))
    return true
  }
  const click = () => deploy({ name: 'Fresh', file: join(folder, 'src', 'b.ts') })
  const first = click()
  await until(() => applied === 1)
  const second = click()
  isSecondClick = true
  await Promise.all([first, second])
  expect(applied).toBe(1)
  expect(run).toHaveBeenCalledTimes(2)
  expect(ui.said).toEqual(['Added "Fresh" to deploy.json. [Open]'])
})

test('a function of another project is replaced only when the user says so', async () => {
  const message = '"Hello" is already deployed from /shop/deploy.json'
  const asked: (boolean | undefined)[] = []
  run = async ({ replace }) => {
    asked.push(replace)
    if (!replace) throw new RyoFaasError('NAME_TAKEN', `${message}; nothing was deployed`)
    return [DEPLOYED]
  }
  const hello = { name: 'Hello', file: join(folder, 'src', 'a.ts') }
  await expect(deploy(hello)).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(ui.asked).toEqual([[`${message}.`, 'Replace', 'Open deploy.json']])
  expect(asked).toEqual([false])
  ui.answers = ['Replace']
  expect(await deploy(hello)).toMatchObject({ version: 12 })
  expect(asked).toEqual([false, false, true])
})
