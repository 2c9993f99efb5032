import { parse, type ParseError } from 'jsonc-parser'
import ts from 'typescript'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import { DeployFile } from '../../agent/src/contract/index.ts'
import { blocksOf, commandsOf, DOCS, isExpected, readPages, type Block, type Page } from './page.ts'

/** A block more that no test runs is a decision: raise it here. */
const NOT_TESTED = 46

let pages: Page[]
beforeAll(async () => (pages = await readPages()))

const all = (): { page: Page; block: Block }[] => pages.flatMap(page => page.blocks.map(block => ({ page, block })))
const isScript = ({ language, flags }: Block) => ['ts', 'tsx', 'js'].includes(language) && flags !== 'untyped'

test('each block is one that a test runs or reads, or says why not', () => {
  const read = ['ts', 'tsx', 'js', 'json', 'jsonc', 'console', 'text']
  for (const { page, block } of all()) {
    const isRead = read.includes(block.language) || block.file !== undefined
    expect([page.name, block.line, isRead || block.reason !== undefined]).toEqual([page.name, block.line, true])
  }
  expect(all().filter(({ block }) => block.reason !== undefined).length).toBeLessThanOrEqual(NOT_TESTED)
})

test('a page with a named module also runs commands', () => {
  const silent = pages.filter(
    ({ blocks }) =>
      blocks.some(block => isScript(block) && block.file !== undefined && block.reason === undefined) &&
      !blocks.some(({ language, reason }) => language === 'console' && reason === undefined),
  )
  expect(silent.map(({ name }) => name)).toEqual([])
})

test('JSON is valid, and so is each deploy.json', () => {
  for (const { page, block } of all()) {
    if (!['json', 'jsonc'].includes(block.language) || block.reason !== undefined) continue
    const problems: ParseError[] = []
    const value: unknown = parse(block.text, problems, { allowTrailingComma: true })
    expect([page.name, block.line, problems]).toEqual([page.name, block.line, []])
    if (typeof value !== 'object' || value === null || !('deploy' in value)) continue
    expect([page.name, block.line, DeployFile.safeParse(value).error?.message]).toEqual([
      page.name,
      block.line,
      undefined,
    ])
  }
})

test('TypeScript and JavaScript compile, as in a project that init makes', () => {
  const sources = new Map<string, string>()
  for (const page of pages) {
    const scripts = page.blocks.filter(block => isScript(block) && block.reason === undefined)
    for (const [index, { file, language, line, text }] of scripts.entries()) {
      const isLast = !scripts.slice(index + 1).some(later => later.file === file)
      const name = file !== undefined && isLast ? file : besides(file, `line-${line}.${language}`)
      // A block without an import would share its names with the others.
      const end = name.endsWith('.d.ts') ? '' : 'export {}\n'
      sources.set(`${DOCS}.blocks/${page.name}/${name}`, text + end)
    }
  }
  expect(complaints(sources)).toEqual([])
})

/** Next to a file, so that what it imports is found. */
function besides(file: string | undefined, name: string): string {
  return [...(file?.split('/').slice(0, -1) ?? []), name].join('/')
}

function complaints(sources: Map<string, string>): string[] {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    customConditions: ['source'],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    allowJs: true,
    allowImportingTsExtensions: true,
    types: ['node'],
    typeRoots: [fileURLToPath(new URL('../../node_modules/@types', import.meta.url))],
  }
  const host = ts.createCompilerHost(options)
  const { getSourceFile, fileExists, readFile } = host
  host.fileExists = path => sources.has(path) || fileExists(path)
  host.readFile = path => sources.get(path) ?? readFile(path)
  host.getSourceFile = (path, ...rest) => {
    const text = sources.get(path)
    return text === undefined ? getSourceFile(path, ...rest) : ts.createSourceFile(path, text, ts.ScriptTarget.ES2023)
  }
  // The folders of the sources are not on disk.
  host.directoryExists = () => true
  const program = ts.createProgram({ rootNames: [...sources.keys()], options, host })
  return [...sources.keys()].flatMap(path => {
    const source = program.getSourceFile(path)!
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
      ({ start, messageText }) => {
        const { line } = source.getLineAndCharacterOfPosition(start ?? 0)
        return `${path.slice(DOCS.length)}:${line + 1} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
      },
    )
  })
}

test('a block says its language, its file, and why it is not tested', () => {
  const text = '```ts [a/b.ts]\nx\n```\n\n- ```console fails\n  $ y\n  ```\n```ini no-test: needs root\nz\n```\n'
  expect(blocksOf(text.replace('- ```', '  ```'))).toEqual([
    { language: 'ts', file: 'a/b.ts', flags: '', text: 'x\n', line: 1 },
    { language: 'console', flags: 'fails', text: '$ y\n', line: 5 },
    { language: 'ini', reason: 'needs root', flags: '', text: 'z\n', line: 8 },
  ])
  expect(() => blocksOf('```ts\nx\n')).toThrow('does not end')
  expect(() => blocksOf('```ts {1}\nx\n```')).toThrow('not understood')
})

test('commands are separated from their output', () => {
  const [block] = blocksOf('```console\n$ a \\\n  b\nout\n$ c\n$ d\n^C\n```')
  expect(commandsOf(block!)).toEqual([
    { command: 'a \\\n  b', expected: ['out'], isStopped: false },
    { command: 'c', expected: [], isStopped: false },
    { command: 'd', expected: [], isStopped: true },
  ])
})

test('output is compared except for durations, notes, and what is left out', () => {
  const out = (...lines: string[]) => lines.map(text => ({ text, isNote: false }))
  const note = { text: 'starting', isNote: true }
  expect(isExpected(out('✔ a v1 in 1.8 s', ''), ['✔ a v1 in 20 ms'])).toBe(true)
  expect(isExpected(out('id 0178 (ok)'), ['id … (ok)'])).toBe(true)
  expect(isExpected(out('one', 'two', 'three'), ['…', 'three'])).toBe(true)
  expect(isExpected([note, ...out('one'), note], ['one'])).toBe(true)
  expect(isExpected([note, ...out('one')], ['starting', 'one'])).toBe(true)
  expect(isExpected(out('one', 'two'), ['one'])).toBe(false)
  expect(isExpected(out('one', 'two'), ['one'], true)).toBe(true)
  expect(isExpected(out('one'), ['two'])).toBe(false)
  expect(isExpected(out('one'), ['one', 'two'])).toBe(false)
})
