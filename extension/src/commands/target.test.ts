import { expect, test } from 'vitest'
import { RyoFaasError } from 'ryo-faas/contract'
import type { Snapshot } from '../agent/platform-link.ts'
import type { Site } from '../analysis/handlers.ts'
import { outlineOf } from '../analysis/worker/outline.ts'
import type { Position } from '../editor/range.ts'
import { FakeEditor, FakeUri } from '../testing/fake-editor.ts'
import { FakeUi } from '../testing/fake-ui.ts'
import { deploymentView, platformView } from '../testing/views-of-platform.ts'
import { deploymentOf, targetOf, type ForTarget } from './target.ts'

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
  const sites = candidates.map((candidate): Site => ({
    name: candidate.name,
    candidate,
    entry: undefined,
    verdict: undefined,
  }))
  const editor = new FakeEditor()
  const document = editor.open(FakeUri.file(FILE), text)
  editor.active = { document, position }
  const ui = new FakeUi()
  const snapshot: Snapshot = { token: '', platform: platformView(), deployments: [deploymentView({ name: 'other' })] }
  const parts: ForTarget = {
    editor: editor.api,
    ui,
    handlers: {
      sites: async () => sites,
      lensSites: async () => sites.filter(({ candidate }) => candidate.likeness === 'handler'),
      problemsOf: async (_, { name }) =>
        name === 'wrong' ? [{ code: 'wrong-parameters', message: 'no Request', file: FILE, line: 8, column: 1 }] : [],
    },
    projects: { isLoaded: true, all: [] },
    link: {
      refresh: async () => undefined,
      snapshot,
      server: undefined,
      notRunning: () => new RyoFaasError('NOT_RUNNING', 'ryo-faas is not running'),
      deployment: name => deploymentView({ name, filePath: name === 'hello' ? FILE : '/another/project/kinds.ts' }),
    },
  }
  return { parts, ui }
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

test('outside of every export, the user chooses, unless there is only one handler', async () => {
  const { parts, ui } = stage('import')
  await expect(targetOf(parts, undefined)).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(ui.asked).toEqual([['Which function?', 'hello', 'bye']])
  const only = stage('import', TEXT.replace(/export const bye.*\n/, ''))
  expect(await targetOf(only.parts, undefined)).toEqual({ name: 'hello', file: FILE })
})

test('a deployment at the cursor is the one made of that function, not one of its name elsewhere', async () => {
  expect((await deploymentOf(stage('request.url').parts, undefined)).name).toBe('hello')
  const { parts, ui } = stage('const bye')
  await expect(deploymentOf(parts, undefined)).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(ui.asked).toEqual([['Which function?', 'other']])
})

test('without a platform it is said that it is not running, before anything is asked', async () => {
  const { parts, ui } = stage('import')
  const absent = { ...parts, link: { ...parts.link, snapshot: undefined } }
  await expect(deploymentOf(absent, undefined)).rejects.toMatchObject({ code: 'NOT_RUNNING' })
  await expect(deploymentOf(absent, 'hello')).rejects.toMatchObject({ code: 'NOT_RUNNING' })
  expect(ui.asked).toEqual([])
})
