import { expect, test } from 'vitest'
import { RyoFaasError, type Problem } from 'ryo-faas/contract'
import type { FoundEntry } from '../project/deploy-files.ts'
import { FakeEditor, FakeUri } from '../testing/fake-editor.ts'
import { until } from '../testing/until.ts'
import { DeclaredDiagnostics, type DeclaredDiagnosticsOptions } from './declared-diagnostics.ts'

const FILE = '/w/shop.py'
const problem = (file: string, message: string): Problem => ({
  code: 'no-such-export',
  message,
  file,
  line: 1,
  column: 1,
})

function setUp(answer: () => Problem[], { isTrusted = true } = {}) {
  const shown = new Map<string, string[]>()
  const asked: unknown[] = []
  const logged: string[] = []
  const editor = new FakeEditor({
    languages: {
      createDiagnosticCollection: () => ({
        set: (uri: { fsPath: string }, all: { message: string }[]) =>
          shown.set(
            uri.fsPath,
            all.map(({ message }) => message),
          ),
        delete: (uri: { fsPath: string }) => shown.delete(uri.fsPath),
        dispose: () => undefined,
      }),
    },
  })
  editor.isTrusted = isTrusted
  const entries = [{ name: 'Shop', filePath: FILE, deployFile: '/w/deploy.json' }] as FoundEntry[]
  const call = async (name: string, input: unknown) => {
    asked.push([name, input])
    return { problems: answer() }
  }
  const diagnostics = new DeclaredDiagnostics({
    ...{ editor: editor.api, languages: ['go', 'python'], log: message => void logged.push(message) },
    projects: { load: async () => ({ entriesOf: file => entries.filter(({ filePath }) => filePath === file) }) },
    rules: {
      diagnosticOf: ({ message }) => ({ message }) as ReturnType<DeclaredDiagnosticsOptions['rules']['diagnosticOf']>,
    },
    client: async () => ({ call }) as unknown as Awaited<ReturnType<DeclaredDiagnosticsOptions['client']>>,
  })
  const open = (path: string, languageId: string) =>
    Object.assign(editor.open(FakeUri.file(path), 'code'), { languageId, write: () => undefined })
  return { editor, shown, asked, logged, diagnostics, open }
}

test('what the agent finds in a function that is shown or saved is shown, and an edit takes it away', async () => {
  const { editor, shown, asked, open } = setUp(() => [problem(FILE, 'wrong'), problem('/w/other.py', 'elsewhere')])
  const document = open(FILE, 'python')
  editor.show(document)
  await until(() => shown.get(FILE)?.join() === 'wrong')
  editor.show(document)
  expect(asked).toEqual([['check', { body: { file: '/w/deploy.json', only: ['Shop'] } }]])
  document.type('changed')
  expect(shown.has(FILE)).toBe(false)
  await document.save()
  await until(() => shown.has(FILE))
  document.close()
  expect(shown.size).toBe(0)
})

test('files of other languages, and those that deploy.json does not name, are left alone', async () => {
  const { editor, asked, open } = setUp(() => [])
  editor.show(open(FILE, 'typescript'), open('/w/other.py', 'python'))
  await new Promise(resolve => setImmediate(resolve))
  expect(asked).toEqual([])
})

test('nothing is checked in a folder that is not trusted', async () => {
  const { editor, asked, open } = setUp(() => [], { isTrusted: false })
  editor.show(open(FILE, 'python'))
  await new Promise(resolve => setImmediate(resolve))
  expect(asked).toEqual([])
})

test('without a platform nothing is shown, and any other failure is logged', async () => {
  let code: 'NOT_RUNNING' | 'INTERNAL' = 'NOT_RUNNING'
  const { editor, shown, logged, asked, open } = setUp(() => {
    throw new RyoFaasError(code, 'it failed')
  })
  const document = open(FILE, 'python')
  editor.show(document)
  await until(() => asked.length === 1)
  expect([shown.size, logged]).toEqual([0, []])
  code = 'INTERNAL'
  editor.show(document)
  await until(() => logged.length === 1)
  expect(logged).toEqual([`could not check ${FILE}: it failed`])
})
