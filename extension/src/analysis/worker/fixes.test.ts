/** A fix is right if the checker accepts what it makes: every preferred one is applied and checked. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Checker } from 'ryo-faas/checker'
import type { DeploymentKind } from 'ryo-faas/contract'
import { afterAll, expect, test } from 'vitest'
import type { Fix, TextEdit } from '../protocol.ts'
import { checkSubjects } from './check-subjects.ts'

const packageDir = realpathSync(mkdtempSync(join(tmpdir(), 'ryo-faas-fixes-')))
const checker = new Checker()

afterAll(() => {
  checker.close()
  rmSync(packageDir, { recursive: true })
})

function check(text: string, kind: DeploymentKind = 'http', name = 'f') {
  const { verdicts } = checkSubjects(checker, {
    file: join(packageDir, 'a.ts'),
    text,
    subjects: [{ name, kind, packageDir }],
  })
  return verdicts[0]!
}

function fixesOf(text: string, kind?: DeploymentKind, name?: string): Fix[] {
  const verdict = check(text, kind, name)
  return verdict.kind === 'rejected' ? verdict.findings.flatMap(({ fixes }) => fixes) : []
}

function apply(text: string, edits: TextEdit[]): string {
  const lines = text.split('\n')
  const offset = ({ line, character }: { line: number; character: number }) =>
    lines.slice(0, line).reduce((sum, { length }) => sum + length + 1, 0) + character
  return edits
    .map(({ range, text: replacement }) => ({ from: offset(range.start), to: offset(range.end), replacement }))
    .sort((a, b) => b.from - a.from)
    .reduce((whole, { from, to, replacement }) => whole.slice(0, from) + replacement + whole.slice(to), text)
}

const REPAIRABLE: [title: string, text: string, kind?: DeploymentKind][] = [
  ['not exported', 'function f(request: Request): Response { return new Response() }'],
  ['a constant that is not exported', 'const f = (request: Request): Response => new Response()'],
  ['types that are not imported', 'export function f(request: IncomingMessage, response: ServerResponse): void {}'],
  [
    'half of Node style',
    "import type { IncomingMessage } from 'node:http'\nexport function f(request: IncomingMessage) {}",
  ],
  ['a parameter too many', 'export const f = (request: Request, b: string): Response => new Response()'],
  ['text as the result', "export const f = (request: Request) => 'hi'"],
  [
    'text as the written result',
    'export async function f(request: Request): Promise<string> { return `hi ${request.url}` }',
  ],
  ['data as the result', 'export function f(request: Request) { if (request.url) return { a: 1 }; return [1] }'],
  ['a trigger without an event', 'export function f(change: string): void {}', 'trigger'],
  ['an untyped arrow', 'export const f = (a: string) => new Response(a)'],
]

test.each(REPAIRABLE)('the preferred fix repairs %s', (_, text, kind) => {
  const fix = fixesOf(text, kind).find(({ isPreferred }) => isPreferred)
  if (fix?.kind !== 'edit') throw new Error(`no edit is offered for ${text}`)
  const repaired = apply(text, fix.edits)
  expect([repaired, check(repaired, kind)]).toEqual([repaired, { kind: 'accepted' }])
})

test('the names that the user gave to parameters stay', () => {
  const [fix] = fixesOf('export function f(incoming: number): void {}').filter(({ title }) =>
    title.includes('Request)'),
  )
  if (fix?.kind !== 'edit') throw new Error('no edit')
  expect(apply('export function f(incoming: number): void {}', fix.edits)).toBe(
    'export function f(incoming: Request): Response {}',
  )
})

test('an import is extended in the style of the file', () => {
  const text =
    'import { createServer } from "node:http";\nexport function f(r: IncomingMessage, s: ServerResponse): void { void createServer }'
  const fix = fixesOf(text).find(({ title }) => title.startsWith('Import'))
  if (fix?.kind !== 'edit') throw new Error('no edit')
  expect(apply(text, fix.edits)).toContain(
    'import { createServer, type IncomingMessage, type ServerResponse } from "node:http";',
  )
})

test('a name that is written otherwise is corrected in deploy.json', () => {
  const text = 'export const helloWorld = (): Response => new Response()'
  expect(fixesOf(text, 'http', 'HelloWorld')).toEqual([
    {
      kind: 'rename-entry',
      title: 'Write "name": "helloWorld" in deploy.json',
      newName: 'helloWorld',
      isPreferred: true,
    },
  ])
})
