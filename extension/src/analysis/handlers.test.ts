import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DeployFiles } from '../project/deploy-files.ts'
import { FakeEditor, FakeUri, type FakeDocument } from '../testing/fake-editor.ts'
import { Handlers } from './handlers.ts'
import type { Candidate, CheckAnswer, Outline, Subject, Verdict } from './protocol.ts'

const SOURCE = 'export const hello = (request: Request): Response => new Response(request.url)\n'
const DEPLOY = (...names: string[]) =>
  JSON.stringify({ deploy: names.map(name => ({ name, packageDir: '.', filePath: './hello.ts' })) })

/** Says what a test says, as soon as it lets it. */
class FakeAnalysis {
  readonly checks: { file: string; names: string[] }[] = []
  readonly forgotten: string[] = []
  answered: () => Promise<unknown> = async () => undefined

  outlined: Outline = { candidates: [], isWhole: true }
  verdict: Verdict = { kind: 'accepted' }

  outline = async () => this.outlined
  forget = (file: string) => void this.forgotten.push(file)
  check = async (file: string, _text: string | undefined, subjects: Subject[]): Promise<CheckAnswer> => {
    this.checks.push({ file: file.split('/').at(-1)!, names: subjects.map(({ name }) => name) })
    await this.answered()
    return { verdicts: subjects.map(() => this.verdict) }
  }
}

let folder: string
let editor: FakeEditor
let analysis: FakeAnalysis
let projects: DeployFiles
let handlers: Handlers
let hello: FakeDocument
let isEverywhere: boolean

const at = (name: string) => FakeUri.file(join(folder, name))
const checked = () => analysis.checks.map(({ file, names }) => `${file}: ${names.join()}`)

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'ryo-faas-handlers-')))
  for (const name of ['hello.ts', 'other.ts']) writeFileSync(join(folder, name), SOURCE)
  writeFileSync(join(folder, 'types.ts'), 'export type Name = string\n')
  writeFileSync(join(folder, 'deploy.json'), DEPLOY('hello'))
  isEverywhere = false
  editor = new FakeEditor()
  editor.files = [join(folder, 'deploy.json')]
  analysis = new FakeAnalysis()
  projects = new DeployFiles(editor.api)
  await projects.load()
  handlers = new Handlers({
    editor: editor.api,
    analysis,
    projects,
    delayMs: () => 100,
    isEverywhere: () => isEverywhere,
    log: () => undefined,
  })
  hello = editor.open(at('hello.ts'))
})

afterEach(() => {
  handlers.dispose()
  projects.dispose()
  vi.useRealTimers()
  rmSync(folder, { recursive: true })
})

function withResolvers() {
  let resolve = () => {}
  const promise = new Promise<void>(fulfil => (resolve = fulfil))
  return { promise, resolve }
}

/** Lets everything happen that happens by itself. */
const settle = () => vi.advanceTimersByTimeAsync(10_000)

async function afterFirstCheck(...shown: FakeDocument[]): Promise<void> {
  editor.show(...shown)
  await settle()
  analysis.checks.length = 0
}

test('what is on screen is checked once, and again only after a change', async () => {
  editor.show(hello)
  await settle()
  editor.show(hello)
  await settle()
  expect(checked()).toEqual(['hello.ts: hello'])
  hello.type(`${SOURCE}\n`)
  hello.type(`${SOURCE}\n\n`)
  await settle()
  expect(checked()).toEqual(['hello.ts: hello', 'hello.ts: hello'])
})

test('a file that was saved has the open ones checked again, also those behind another', async () => {
  const types = editor.open(at('types.ts'))
  const other = editor.open(at('other.ts'))
  await afterFirstCheck(hello, other)
  editor.show(types)
  other.close()
  types.type('export type Name = number\n')
  await settle()
  expect(checked()).toEqual([])
  await types.save()
  await settle()
  expect(checked()).toEqual(['hello.ts: hello'])
})

test.each(['package.json', 'tsconfig.json', 'tsconfig.base.json', 'a.mjs', 'b.cts', 'c.jsx'])(
  'verdicts may follow from %s',
  async name => {
    await afterFirstCheck(hello)
    const saved = editor.open(at(name), '')
    saved.type('{}')
    await saved.save()
    await settle()
    expect(checked()).toHaveLength(1)
  },
)

test('files that others change have the open ones checked again, many as one, and not for the output of tools', async () => {
  editor.show(hello)
  await settle()
  for (let count = 0; count < 50; count++) editor.fileChanged.fire(at('types.ts'))
  await settle()
  expect(checked()).toEqual(['hello.ts: hello', 'hello.ts: hello'])
  for (const name of ['dist/hello.js', '.git/hooks/x.js', 'data.json']) editor.fileChanged.fire(at(name))
  await settle()
  expect(checked()).toHaveLength(2)
})

test('nothing follows from other files', async () => {
  await afterFirstCheck(hello)
  const readme = editor.open(at('README.md'), '')
  readme.type('# Hello')
  await readme.save()
  await settle()
  expect(checked()).toEqual([])
})

test('a change of deploy.json during a check is not lost', async () => {
  const { promise, resolve: answer } = withResolvers()
  analysis.answered = () => promise
  editor.show(hello)
  await settle()
  editor.open(at('deploy.json')).type(DEPLOY('hello', 'late'))
  await settle()
  expect(checked()).toEqual(['hello.ts: hello'])
  answer()
  await settle()
  expect(checked()).toEqual(['hello.ts: hello', 'hello.ts: hello,late'])
  const { all, isCurrent } = handlers.verdicts(hello.api)
  expect([isCurrent, all.map(({ subject }) => subject.name)]).toEqual([true, ['hello', 'late']])
})

test('a check that fails is tried again with the next change, not over and over', async () => {
  analysis.answered = () => Promise.reject(new Error('the worker died'))
  editor.show(hello)
  await settle()
  expect(checked()).toHaveLength(1)
  analysis.answered = async () => undefined
  editor.show(hello)
  await settle()
  expect(checked()).toHaveLength(2)
  expect(handlers.verdicts(hello.api).isCurrent).toBe(true)
})

test('a file that is closed during a check stays forgotten', async () => {
  const { promise, resolve: answer } = withResolvers()
  analysis.answered = () => promise
  editor.show(hello)
  await settle()
  const deployFile = editor.open(at('deploy.json'))
  deployFile.type(DEPLOY('hello', 'late'))
  hello.close()
  answer()
  await settle()
  expect(checked()).toHaveLength(1)
  expect(handlers.verdicts(hello.api).all).toEqual([])
})

test('what was committed of a file is not the file: closing it forgets nothing', async () => {
  const committed = editor.open(FakeUri.from({ scheme: 'git', path: join(folder, 'hello.ts') }), SOURCE)
  await afterFirstCheck(hello, committed)
  committed.close()
  expect(analysis.forgotten).toEqual([])
  expect(handlers.verdicts(hello.api).all).toHaveLength(1)
  expect(handlers.verdicts(committed.api).all).toEqual([])
  hello.close()
  expect(analysis.forgotten).toEqual([join(folder, 'hello.ts')])
})

const candidate = (name: string, line: number, likeness: Candidate['likeness'] = 'perhaps'): Candidate => {
  const range = { start: { line, character: 13 }, end: { line, character: 18 } }
  return { name, range, extent: range, likeness, kind: 'http' }
}
const rejected = (code: string): Verdict => ({
  kind: 'rejected',
  findings: [{ problem: { code, message: code, file: join(folder, 'other.ts'), line: 1, column: 1 }, fixes: [] }],
})

test('while a line is half written, lenses stay and move with their handlers', async () => {
  const other = editor.open(at('other.ts'))
  const lensesAt = async () =>
    (await handlers.lensSites(other.api)).map(({ name, candidate: { range } }) => `${name} ${range.start.line}`)
  analysis.outlined = { candidates: [candidate('one', 2), candidate('two', 5)], isWhole: true }
  editor.show(other)
  await settle()
  expect(await lensesAt()).toEqual(['one 2', 'two 5'])

  analysis.outlined = { candidates: [candidate('two', 6, 'none')], isWhole: false }
  analysis.verdict = rejected('syntax-error')
  other.type(`${SOURCE}\nconst a = 1 +`)
  await settle()
  expect(handlers.verdicts(other.api).isCurrent).toBe(true)
  expect(await lensesAt()).toEqual(['one 2', 'two 6'])

  analysis.outlined = { candidates: [candidate('one', 2), candidate('two', 6)], isWhole: true }
  analysis.verdict = rejected('wrong-parameters')
  other.type(`${SOURCE}\nconst a = 1 + 2`)
  await settle()
  expect(await lensesAt()).toEqual([])
})

test("in another framework's project nothing is looked at, unless it has to do with us", async () => {
  const elsewhere = realpathSync(mkdtempSync(join(tmpdir(), 'ryo-faas-next-')))
  try {
    const manifest = (...names: string[]) =>
      writeFileSync(
        join(elsewhere, 'package.json'),
        JSON.stringify({ dependencies: Object.fromEntries(names.map(name => [name, '*'])) }),
      )
    const route = (text = SOURCE) => {
      writeFileSync(join(elsewhere, 'route.ts'), text)
      return editor.open(FakeUri.file(join(elsewhere, 'route.ts'))).api
    }
    expect(handlers.isRelevant(route())).toBe(true)
    manifest('next', 'react')
    expect(handlers.isRelevant(route())).toBe(false)
    expect(handlers.isRelevant(route(`import { store } from '@ryo-faas/runtime'\n${SOURCE}`))).toBe(true)
    isEverywhere = true
    expect(handlers.isRelevant(route())).toBe(true)
    isEverywhere = false
    const saved = editor.open(FakeUri.file(join(elsewhere, 'package.json')))
    manifest('next', '@ryo-faas/runtime')
    editor.saved.fire(saved)
    expect(handlers.isRelevant(route())).toBe(true)
    manifest('next')
    editor.saved.fire(saved)
    expect(handlers.isRelevant(route())).toBe(false)
    writeFileSync(join(elsewhere, 'deploy.json'), '{ "app": "of another tool" }')
    await projects.reread(FakeUri.file(join(elsewhere, 'deploy.json')))
    expect(handlers.isRelevant(route())).toBe(false)
    writeFileSync(join(elsewhere, 'deploy.json'), '{ "deploy": [] }')
    await projects.reread(FakeUri.file(join(elsewhere, 'deploy.json')))
    expect(handlers.isRelevant(route())).toBe(true)
  } finally {
    rmSync(elsewhere, { recursive: true })
  }
})

test('an entry that names no export of the file is its default export, and one in another language is left alone', async () => {
  const deploy = [
    { name: 'Shop', packageDir: '.', filePath: './other.ts' },
    { name: 'Other', packageDir: '.', filePath: './hello.ts', language: 'cobol' },
  ]
  writeFileSync(join(folder, 'deploy.json'), JSON.stringify({ deploy }))
  await projects.reread(at('deploy.json'))
  const other = editor.open(at('other.ts'))
  analysis.outlined = { candidates: [{ ...candidate('other', 0), isStandard: true }], isWhole: true }
  analysis.verdict = { kind: 'accepted', dialect: 'Hono app' }
  editor.show(other, hello)
  await settle()
  const sites = await handlers.lensSites(other.api)
  expect(sites.map(({ name, entry, verdict }) => [name, entry?.name, verdict])).toEqual([
    ['Shop', 'Shop', analysis.verdict],
  ])
  expect(checked().sort()).toEqual(['hello.ts: other', 'other.ts: Shop'])
})
