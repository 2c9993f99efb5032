/** How several languages work together; the second one is the tests' own. */
import { expect, test } from 'vitest'
import type { FunctionSource, Language } from './language.ts'
import { createLanguages, Languages, LANGUAGES } from './index.ts'
import { languageContract } from './testing/language-contract.ts'
import { servingScript, SHELL } from './testing/shell-language.ts'

languageContract('shell', {
  make: () => SHELL,
  entry: 'hello.sh',
  files: { 'hello.sh': servingScript('hello') },
  change: { 'hello.sh': servingScript('other') },
  broken: { files: { 'hello.sh': 'echo\nif ; then\n' }, line: 2 },
})

const options = { runtimeDir: '', cacheDir: '', environment: {} }

test('no two languages of the registry share a name or an extension', () => {
  const all = LANGUAGES.map(make => make(options))
  const names = all.map(({ name }) => name)
  const endings = all.flatMap(language => language.endings)
  expect([new Set(names).size, new Set(endings).size]).toEqual([names.length, endings.length])
})

test('one more line in the registry is one more language, found by its extensions and by its name', () => {
  const languages = createLanguages(options, [...LANGUAGES, () => SHELL])
  expect(languages.of({ filePath: '/w/a.ts' }).name).toBe('node')
  expect(languages.of({ filePath: '/w/a.sh' })).toBe(SHELL)
  expect(languages.of({ filePath: '/w/a.ts', language: 'shell' })).toBe(SHELL)
  expect(languages.named('shell')).toBe(SHELL)
  expect(languages.problemOf({ filePath: './a.rb' })).toMatchObject({
    field: 'filePath',
    finding: { hint: expect.stringMatching(/\.ts .* \(node\), \.go \(go\), \.py \(python\), \.sh \(shell\)$/) },
  })
  expect(languages.problemOf({ filePath: './a.ts', language: 'shel' })).toMatchObject({
    field: 'language',
    finding: {
      message: 'unknown language "shel", did you mean "shell"?',
      hint: 'Known: node, go, python, command, shell',
    },
  })
})

test('a language that only another agent knew is refused by its name', () => {
  const expected = { code: 'UNSUPPORTED', message: expect.stringContaining('cobol') }
  expect(() => createLanguages(options).named('cobol')).toThrow(expect.objectContaining(expected))
})

test('each language is asked once for all its functions, and the results are in the order of the requests', async () => {
  const asked: string[][] = []
  const fake = (name: string): Language => ({
    ...SHELL,
    name,
    check: async sources => {
      asked.push(sources.map(source => source.name))
      // The last one asked answers first.
      await new Promise(resolve => setImmediate(resolve))
      return sources.map(source => ({
        kind: 'rejected',
        problems: [{ code: 'wrong', message: `${name} ${source.name}`, file: source.filePath, line: 1, column: 1 }],
      }))
    },
  })
  const [a, b] = [fake('a'), fake('b')]
  const source = (name: string): FunctionSource => ({
    ...{ name, kind: 'http', rootDir: '/w', packageDir: '/w', filePath: `/w/${name}`, files: [] },
  })
  const outcomes = await new Languages([a, b]).check([
    { language: b, source: source('1') },
    { language: a, source: source('2') },
    { language: b, source: source('3') },
    { language: b, source: source('4') },
  ])
  const messages = outcomes.flatMap(outcome => (outcome.kind === 'rejected' ? outcome.problems : []))
  expect(messages.map(({ message }) => message)).toEqual(['b 1', 'a 2', 'b 3', 'b 4'])
  expect(asked).toEqual([['1', '3', '4'], ['2']])
})
