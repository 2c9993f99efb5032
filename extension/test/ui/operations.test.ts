/** What is done with functions, calls and documents once they are there. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { beforeAll, expect, test } from 'vitest'
import { HEADERS } from '@ryo-faas/runtime/protocol'
import { AgentClient, CallsClient } from 'ryo-faas/client'
import { GO_CACHE } from '../../../agent/test/support/go-cache.ts'
import { PYTHON_ENVIRONMENT } from '../../../agent/test/support/python-environment.ts'
import { furtherTest } from '../../../agent/test/support/further-test.ts'
import { sampleOf } from '../../../agent/test/support/whole-suite.ts'
import { takePicture } from '../bed/pictures.ts'
import { Windows, type Opened } from '../bed/windows.ts'
import { meetBreakpoint } from './debugging.ts'

const FILES = {
  'deploy.json': JSON.stringify({
    deploy: [
      { name: 'greet', packageDir: './greet', filePath: './greet/greet.ts' },
      { name: 'slow', packageDir: './slow', filePath: './slow/slow.ts' },
      {
        name: 'job',
        packageDir: './job',
        filePath: './job/job.ts',
        secrets: ['KEY'],
        async: { attempts: 1 },
      },
      { name: 'InGo', packageDir: './go', filePath: './go/in_go.go' },
      { name: 'in_python', packageDir: './python', filePath: './python/in_python.py' },
    ],
  }),
  'greet/greet.ts': `import { polite } from './polite.ts'

export function greet(request: Request): Response {
  const name = new URL(request.url).searchParams.get('name') ?? 'World'
  return new Response(polite(name))
}
`,
  'greet/polite.ts': `export function polite(name: string): string {
  const greeting = 'Good day, ' + name
  return greeting
}
`,
  // Is never ready: its deploy lasts until it is cancelled.
  'slow/slow.ts': `await new Promise(resolve => setTimeout(resolve, 600_000))
export const slow = (): Response => new Response('at last')
`,
  'job/job.ts': `export const job = async (request: Request): Promise<Response> => {
  if (process.env.KEY !== 'right') throw new Error('the key does not fit')
  return new Response(await request.text())
}
`,
  'go/in_go.go': `package hello

import (
	"fmt"
	"net/http"
)

func InGo(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, "hello from Go")
}
`,
  'python/in_python.py': `def in_python(request):
    return 'hello from Python'
`,
}

const environment = { ...PYTHON_ENVIRONMENT, GOCACHE: GO_CACHE }
const windows = new Windows({ stayOpen: true, environment })
let opened: Opened
beforeAll(async () => {
  opened = await windows.open({ files: FILES })
})

async function proxyUrl(): Promise<string> {
  const client = await AgentClient.connect(opened.platform.home)
  return (await client.call('platform', {})).proxyUrl
}

/** Asks the store as the operator. */
async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const client = await AgentClient.connect(opened.platform.home)
  const { parts } = await client.call('platform', {})
  const headers = new Headers(init.headers)
  headers.set('authorization', `Bearer ${client.token}`)
  return fetch(`http://${parts.find(({ name }) => name === 'store')!.address}${path}`, { ...init, headers })
}

const put = async (data: unknown, path = 'notes/docs/first') => {
  const init = { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ data }) }
  expect((await ask(`/tables/${path}`, init)).ok).toBe(true)
}

test('a deploy that is cancelled leaves nothing behind', async () => {
  const { window } = opened
  await window.openView()
  await window.openFile('slow/slow.ts')
  await window.lens('▶ Deploy function').click()
  await window.lens('starting…').waitFor()
  await window.toast('Deploying slow').getByRole('button', { name: 'Cancel' }).click()
  await window.lens('▶ Deploy function').waitFor()
  await window.row('slow').waitFor({ state: 'detached' })
  const client = await AgentClient.connect(opened.platform.home)
  expect((await client.call('deployments', {})).deployments).toEqual([])
  // The editor leaves a cancelled deploy at once; the agent cleans up.
  await expect.poll(async () => (await client.call('resources', {})).resources).toEqual([])
})

test('calls from elsewhere show in lens and tree by themselves', async () => {
  const { window } = opened
  await window.openFile('greet/greet.ts')
  await window.lens('▶ Deploy function').click()
  await window.lens('✓ v1 · 0 calls').waitFor()
  for (const name of ['Ann', 'Bob', 'Cid']) {
    const response = await fetch(`${await proxyUrl()}/functions/greet?name=${name}`)
    expect(await response.text()).toBe(`Good day, ${name}`)
  }
  await window.lens(/✓ v1 · 3 calls · p95/).waitFor()
  await window.row(/greet.*3 calls/).waitFor()
})

test('buttons of a row work while calls come in', async () => {
  const { window } = opened
  await window.closeToasts()
  const url = `${await proxyUrl()}/functions/greet`
  const isOver = new AbortController()
  const traffic = (async () => {
    while (!isOver.signal.aborted) {
      await fetch(url)
      await delay(25, undefined, { signal: isOver.signal }).catch(() => undefined)
    }
  })()
  try {
    for (let click = 0; click < 8; click++) {
      await window.inline(/greet.*call/, 'Show Logs of Function')
      expect(await window.toast('has just changed').count()).toBe(0)
    }
  } finally {
    isOver.abort()
    await traffic
  }
})

test('a killed agent is shown as away, calls go on, and it comes back by itself', async () => {
  const { platform, window } = opened
  await window.command('View: Close All Editors')
  await window.openFile('greet/greet.ts')
  await window.command('ryo-faas: Copy URL of Function')
  await window.statusBar('Copied').waitFor()
  const url = await window.page.evaluate(() => navigator.clipboard.readText())
  const before = await platform.agentPid()
  process.kill(before, 'SIGKILL')
  expect(await (await fetch(url)).text()).toBe('Good day, World')
  await window.row('The agent is not responding').waitFor()
  await takePicture(window.page, '34-agent-away')
  await window.row('The agent is not responding').waitFor({ state: 'detached' })
  await window.lens(/✓ v1 · \d+ calls/).waitFor()
  expect(await platform.agentPid()).not.toBe(before)
  await window.lens('Redeploy').click()
  await window.toast('nothing changed').waitFor()
})

test('a breakpoint in the TypeScript is hit by a call through the proxy, and a normal deploy is offered after', async () => {
  await meetBreakpoint(opened, {
    name: 'greet',
    handler: 'greet/greet.ts',
    file: 'greet/polite.ts',
    line: 3,
    variable: 'Good day, Ann',
    answer: 'Good day, Ann',
    picture: { name: '30-breakpoint', shownAs: 'breakpoint.png' },
  })
})

test('a function is scaled', async () => {
  const { window } = opened
  await window.openView()
  await window.command('ryo-faas: Scale Function')
  await window.pick('greet')
  await window.answer('Number of instances', '2')
  await window.row(/greet.*2\/2 instances/).waitFor()
})

interface OtherLanguage {
  language: string
  file: string
  name: string
  broken: string
  mended: string
  problem: string
}

const LANGUAGES: readonly [OtherLanguage, OtherLanguage] = [
  {
    ...{ language: 'Go', file: 'go/in_go.go', name: 'InGo' },
    broken: 'package hello\n\nfunc InGo(name string) {\n}\n',
    mended:
      'package hello\n\nimport "net/http"\n\nfunc InGo(w http.ResponseWriter, r *http.Request) {\n\tw.Write([]byte("again"))\n}\n',
    problem: 'func InGo(w http.ResponseWriter, r *http.Request)',
  },
  {
    ...{ language: 'Python', file: 'python/in_python.py', name: 'in_python' },
    broken: 'def in_python():\n    pass\n',
    mended: "def in_python(request):\n    return 'again'\n",
    problem: 'def in_python(request)',
  },
]

test.each(sampleOf(LANGUAGES))(
  'the lens deploys and calls a function in $language, and a signature that does not fit is underlined',
  async of => {
    const { window } = opened
    const { page } = window
    await window.closeToasts()
    await window.command('View: Close All Editors')
    await window.openFile(of.file)
    await window.lens('▶ Deploy function').click()
    await window.toast(`${of.name} v1 is live`).waitFor()
    await window.lens('Invoke').click()
    await window.editorText(/HTTP 200 OK/).waitFor()
    await window.editorText(`hello from ${of.language}`).last().waitFor()

    await window.command('View: Close All Editors')
    await window.openFile(of.file)
    await window.type(of.broken)
    await page.keyboard.press('Control+S')
    await page.locator('.squiggly-error').first().waitFor()
    await window.command('Go to Next Problem (Error, Warning, Info)')
    await page.getByText(of.problem).first().waitFor()
    await takePicture(page, `34-problem-${of.name}`)
    await page.keyboard.press('Escape')

    await window.type(of.mended)
    await page.keyboard.press('Control+S')
    await page.locator('.squiggly-error').first().waitFor({ state: 'detached' })
    await window.lens('Redeploy').click()
    await window.toast(`${of.name} v2 is live`).waitFor()
    expect(await (await fetch(`${await proxyUrl()}/functions/${of.name.toLowerCase()}`)).text()).toBe('again')
  },
)

test('a secret that is missing is asked for, and then the function is deployed', async () => {
  const { window } = opened
  await window.closeToasts()
  await window.openFile('job/job.ts')
  await window.lens('▶ Deploy function').click()
  await window.toast('needs the secret KEY').waitFor()
  await window.command('ryo-faas: Set Secret')
  await window.answer('Secret name', 'KEY')
  await window.answer('Value.', 'wrong')
  await window.toast('The secret KEY is set.').waitFor()
  await window.lens('▶ Deploy function').click()
  await window.lens(/✓ v1/).waitFor()
  // Neither the missing secret is still reported, nor that `process` is unknown: it is a function of Node.
  await window.statusBar(/^\s*0\s*0/).waitFor()
})

test('a dead call is tried again, when what it failed of is mended', async () => {
  const { window } = opened
  const accepted = await fetch(`${await proxyUrl()}/functions/job`, { method: 'POST', body: 'work' })
  const id = accepted.headers.get(HEADERS.callId)!
  await window.openSection('Calls')
  await window.row('Dead').waitFor()
  const dead = window.row(/job.*1 attempt/)
  // The editor's tree may miss a row that comes while it unfolds the group.
  const isShown = () => dead.waitFor({ timeout: 10_000 }).then(() => true, () => false) // prettier-ignore
  while (!(await isShown())) await window.command('ryo-faas: Refresh')
  await takePicture(window.page, '31-dead-call')
  await window.command('ryo-faas: Set Secret')
  await window.answer('Secret name', 'KEY')
  await window.answer('Value.', 'right')
  await window.lens('Redeploy').click()
  await window.toast('job v2 is live').waitFor()
  await window.inline(/job.*1 attempt/, 'Retry Dead Call')
  await window.row('Dead').waitFor({ state: 'detached' })
  const agent = await AgentClient.connect(opened.platform.home)
  const calls = await CallsClient.of(agent, AbortSignal.timeout(30_000))
  for await (const _ of calls.follow(id)); // Ends when the call does.
  expect(await calls.show(id)).toMatchObject({ status: 'succeeded' })
  expect(await (await calls.result(id)).text()).toBe('work')
})

test('a failed call is found in its trace, and the line that threw opens in the editor', async () => {
  const { window } = opened
  await window.closeToasts()
  await window.command('ryo-faas: Set Secret')
  await window.answer('Secret name', 'KEY')
  await window.answer('Value.', 'wrong again')
  await window.lens('Redeploy').click()
  await window.toast('job v3 is live').waitFor()
  const accepted = await fetch(`${await proxyUrl()}/functions/job`, { method: 'POST', body: 'work' })
  await window.command('ryo-faas: Show Trace')
  await window.answer('Show Trace', accepted.headers.get(HEADERS.callId)!)
  const dashboard = window.dashboard()
  await dashboard.getByText('process job').first().waitFor()
  await window.closeToasts()
  // What failed is chosen already.
  await dashboard.getByText('the key does not fit').first().waitFor()
  await takePicture(window.page, '33-trace', { shownAs: 'trace.png' })
  await dashboard.getByRole('button', { name: /job\.ts:2:/ }).click()
  await window.statusBar('Ln 2, Col').waitFor()
})

test('a document that was changed elsewhere is not deleted without asking', async () => {
  const { window } = opened
  await window.closeToasts()
  await put({ text: 'mine' })
  await window.openSection('Store')
  await window.unfold('notes', /first.*v1/)
  await window.row(/first.*v1/).click()
  await window.focusedText('"text": "mine"').waitFor()
  await window.command('ryo-faas: Delete Document')
  await window.dialog('Delete notes/first?').waitFor()
  await put({ text: 'theirs' })
  await window.dialog('Delete notes/first?').getByRole('button', { name: 'Delete', exact: true }).click()
  await window.toast('changed elsewhere').waitFor()
  const stored = await ask('/tables/notes/docs/first')
  expect(await stored.json()).toMatchObject({ version: 2, data: { text: 'theirs' } })
  await takePicture(window.page, '32-delete-conflict')
  await window.toast('changed elsewhere').getByRole('button', { name: 'Delete Anyway' }).click()
  await window.row('first').waitFor({ state: 'detached' })
  expect((await ask('/tables/notes/docs/first')).status).toBe(404)
  expect(await readFile(join(opened.platform.workspace, 'deploy.json'), 'utf8')).toBe(FILES['deploy.json'])
})

// `store-files.test.ts` presses every button of a conflict, and `first-steps.suite.ts` meets one in an editor.
furtherTest('what was typed since a save that met a conflict is kept by "Save Mine"', async () => {
  const { window } = opened
  const path = 'drafts/docs/second'
  await window.closeToasts()
  await put({ text: 'read' }, path)
  await window.openSection('Store')
  await window.unfold('drafts', /second.*v1/)
  await window.row(/second.*v1/).click()
  await window.replaceWord('read', 'mine')
  await put({ text: 'theirs' }, path)
  await window.page.keyboard.press('Control+S')
  await window.toast('changed elsewhere').waitFor()
  await window.replaceWord('mine', 'later')
  await window.toast('changed elsewhere').getByRole('button', { name: 'Save Mine' }).click()
  await window.page.locator('.tab.active.dirty').waitFor({ state: 'detached' })
  await window.editorText('"text": "later"').waitFor()
  const stored = await ask(`/tables/${path}`)
  expect(await stored.json()).toMatchObject({ version: 3, data: { text: 'later' } })
})

test('a reloaded window finds the platform again', async () => {
  const { window } = opened
  await window.command('View: Close All Editors')
  await window.page.reload()
  await window.row(/greet.*v\d/).waitFor()
  await window.openFile('greet/greet.ts')
  await window.lens(/✓ v\d/).waitFor()
})
