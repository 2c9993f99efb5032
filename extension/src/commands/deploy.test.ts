import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { RyoFaasError } from 'ryo-faas/contract'
import { DeployFiles } from '../project/deploy-files.ts'
import { FakeEditor, FakeUri } from '../testing/fake-editor.ts'
import { deployOne } from './deploy.ts'
import type { Parts } from './parts.ts'

const SAVED = JSON.stringify({ deploy: [{ name: 'Hello', packageDir: './src', filePath: './src/a.ts' }] })
const ENTRY = JSON.stringify({ name: 'Fresh', packageDir: './src', filePath: './src/b.ts' })
const NAMES = ['deploy.json', 'src/a.ts', 'src/b.ts', 'src-of-another/c.ts']

let folder: string
let editor: FakeEditor
let projects: DeployFiles

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'ryo-faas-deploy-')))
  for (const name of ['src', 'src-of-another']) mkdirSync(join(folder, name))
  for (const name of NAMES) writeFileSync(join(folder, name), name === 'deploy.json' ? SAVED : 'saved')
  editor = new FakeEditor()
  editor.files = [join(folder, 'deploy.json')]
  projects = new DeployFiles(editor.api)
})

afterEach(() => {
  projects.dispose()
  rmSync(folder, { recursive: true })
})

test('what is deployed is saved before: the package and its deploy.json, nothing else and nothing of git', async () => {
  const typed = { 'deploy.json': `${SAVED}\n` }
  for (const name of NAMES) {
    const path = join(folder, name)
    editor.open(FakeUri.from({ scheme: 'git', path }), 'committed').type('committed')
    editor.open(FakeUri.file(path)).type(typed[name as 'deploy.json'] ?? 'typed')
  }
  let atDeploy: string[] = []
  const parts = {
    editor: editor.api,
    projects,
    ui: { progress: (_: string, run: (progress: unknown) => unknown) => run({}) },
    deploys: { run: async () => ((atDeploy = NAMES.map(name => readFileSync(join(folder, name), 'utf8'))), []) },
    showProblems: () => undefined,
  } as unknown as Parts
  await deployOne(parts, { name: 'Hello', file: join(folder, 'src', 'a.ts') }, { debug: false })
  expect(atDeploy).toEqual([typed['deploy.json'], 'typed', 'typed', 'saved'])
})

test('an entry that stands there already, and that nobody has told of, is not written a second time', async () => {
  const file = join(folder, 'src', 'a.ts')
  const deployFile = join(folder, 'src', 'deploy.json')
  const text = JSON.stringify({ deploy: [{ name: 'Fresh', packageDir: '.', filePath: './a.ts' }] })
  writeFileSync(deployFile, text)
  editor.files = []
  const run = vi.fn(async () => [])
  const parts = {
    editor: editor.api,
    projects: new DeployFiles(editor.api),
    handlers: { sites: async () => [], packageDirOf: () => join(folder, 'src') },
    ui: { progress: (_: string, work: (progress: unknown) => unknown) => work({}) },
    deploys: { run },
    showProblems: () => undefined,
  } as unknown as Parts
  await deployOne(parts, { name: 'Fresh', file }, { debug: false })
  expect(readFileSync(deployFile, 'utf8')).toBe(text)
  expect(run).toHaveBeenCalledTimes(1)
})

test('two quick clicks write one entry, and deploy it twice', async () => {
  const file = join(folder, 'src', 'b.ts')
  let applied = 0
  const applyEdit = async () => {
    applied++
    // The editor takes its time.
    await new Promise(resolve => setTimeout(resolve, 20))
    writeFileSync(join(folder, 'deploy.json'), SAVED.replace(']', `,${ENTRY}]`))
    return true
  }
  const run = vi.fn(async () => [])
  const said: string[] = []
  class WorkspaceEdit {
    replace = () => undefined
  }
  const { api } = editor
  const parts = {
    editor: {
      ...api,
      WorkspaceEdit,
      Range: Object,
      ViewColumn: {},
      workspace: { ...api.workspace, applyEdit, asRelativePath: () => 'deploy.json' },
    },
    projects,
    handlers: { sites: async () => [], packageDirOf: () => join(folder, 'src') },
    ui: {
      progress: (_: string, work: (progress: unknown) => unknown) => work({}),
      say: (message: string) => void said.push(message),
      log: { info: () => undefined },
    },
    deploys: { run },
    showProblems: () => undefined,
  } as unknown as Parts
  const click = () => deployOne(parts, { name: 'Fresh', file }, { debug: false })
  await Promise.all([click(), click()])
  expect([applied, run.mock.calls.length]).toEqual([1, 2])
  expect(said).toEqual(['Added "Fresh" to deploy.json.'])
})

test('a function of another project is replaced only when the person says so', async () => {
  const taken = new RyoFaasError(
    'NAME_TAKEN',
    '"Hello" is already deployed from /shop/deploy.json; nothing was deployed',
  )
  const run = vi.fn(async ({ replace }: { replace: boolean }) => {
    if (!replace) throw taken
    return [{ name: 'Hello', version: 12 }]
  })
  const asked: string[] = []
  const answers: (string | undefined)[] = [undefined, 'Replace']
  const { window } = editor.api
  window.showWarningMessage = async (question: string) => {
    asked.push(question)
    return answers.shift()
  }
  const parts = {
    editor: { ...editor.api, window },
    projects,
    ui: { progress: (_: string, work: (progress: unknown) => unknown) => work({}) },
    deploys: { run },
    showProblems: () => undefined,
  } as unknown as Parts
  const deploy = () => deployOne(parts, { name: 'Hello', file: join(folder, 'src', 'a.ts') }, { debug: false })
  await expect(deploy()).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(asked).toEqual(['"Hello" is already deployed from /shop/deploy.json.'])
  expect(run.mock.calls.map(([{ replace }]) => replace)).toEqual([false])
  expect(await deploy()).toMatchObject({ version: 12 })
  expect(run.mock.calls.map(([{ replace }]) => replace)).toEqual([false, false, true])
})
