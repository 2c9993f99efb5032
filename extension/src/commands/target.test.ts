import { expect, test } from 'vitest'
import type { Candidate } from '../analysis/protocol.ts'
import type { Position } from '../editor/range.ts'
import { outlineOf } from '../analysis/worker/outline.ts'
import { deploymentView } from '../testing/views-of-platform.ts'
import type { Parts } from './parts.ts'
import { deploymentOf, targetOf } from './target.ts'

const FILE = '/w/kinds.ts'
const TEXT = `import { log } from './log.ts'

/** Greets. */
export function hello(request: Request): Response {
  return new Response(request.url)
}

export function wrong(name: string): string {
  return log(name)
}

export const bye = (request: Request): Response => new Response('bye')
`

/** The cursor is in the line that holds this. */
function stage(at: string, text = TEXT) {
  const { candidates } = outlineOf(FILE, text)
  const position: Position = { line: text.split('\n').findIndex(line => line.includes(at)), character: 2 }
  const sites = candidates.map((candidate: Candidate) => ({ name: candidate.name, candidate, entry: undefined }))
  const asked: string[][] = []
  const document = { uri: { fsPath: FILE } }
  const parts = {
    editor: {
      window: {
        activeTextEditor: { document, selection: { active: position } },
        showQuickPick: async (items: { label: string }[]) => void asked.push(items.map(({ label }) => label)),
      },
      workspace: { asRelativePath: (path: string) => path },
    },
    handlers: {
      sites: async () => sites,
      lensSites: async () => sites.filter(({ candidate }) => candidate.likeness === 'handler'),
      problemsOf: async (_: unknown, { name }: { name: string }) =>
        name === 'wrong' ? [{ code: 'wrong-parameters', message: 'no Request', file: FILE, line: 8, column: 1 }] : [],
    },
    projects: { load: async () => undefined, all: [] },
    link: {
      refresh: async () => undefined,
      snapshot: { deployments: [deploymentView({ name: 'other' })] },
      deployment: (name: string) =>
        deploymentView({ name, filePath: name === 'hello' ? FILE : '/another/project/kinds.ts' }),
    },
  } as unknown as Parts
  return { parts, asked }
}

test.each(['Greets', 'function hello', 'request.url'])('the function is the one around the cursor: %s', async at => {
  expect(await targetOf(stage(at).parts, undefined)).toEqual({ name: 'hello', file: FILE })
})

test('in what is not a handler, it is said why, and no neighbour is taken', async () => {
  await expect(targetOf(stage('log(name)').parts, undefined)).rejects.toMatchObject({
    code: 'CHECK_FAILED',
    problems: [{ message: 'no Request' }],
  })
})

test('an export that only the checker knows for a handler is one', async () => {
  const { parts } = stage('wrapped', `${TEXT}export const wrapped = withAuth(hello)\n`)
  expect(await targetOf(parts, undefined)).toEqual({ name: 'wrapped', file: FILE })
})

test('outside of every export, the person chooses, unless there is one handler only', async () => {
  const { parts, asked } = stage('import')
  await expect(targetOf(parts, undefined)).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(asked).toEqual([['hello', 'bye']])
  const only = stage('import', TEXT.replace(/export const bye.*\n/, ''))
  expect(await targetOf(only.parts, undefined)).toEqual({ name: 'hello', file: FILE })
})

test('a deployment at the cursor is the one made of that function, not one of its name elsewhere', async () => {
  expect((await deploymentOf(stage('request.url').parts, undefined)).name).toBe('hello')
  const { parts, asked } = stage('const bye')
  await expect(deploymentOf(parts, undefined)).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(asked).toEqual([['other']])
})

test('without a platform it is said that it is not running, before anything is asked', async () => {
  const { parts, asked } = stage('import')
  Object.assign(parts.link, { snapshot: undefined })
  await expect(deploymentOf(parts, undefined)).rejects.toMatchObject({ code: 'NOT_RUNNING' })
  await expect(deploymentOf(parts, 'hello')).rejects.toMatchObject({ code: 'NOT_RUNNING' })
  expect(asked).toEqual([])
})
