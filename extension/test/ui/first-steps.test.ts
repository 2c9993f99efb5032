/** The story of a first afternoon, in a real window, on the packaged extension. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest'
import { Editor } from '../bed/editor.ts'
import { pictureOfFailure, takePicture } from '../bed/pictures.ts'
import { TestPlatform } from '../bed/platform.ts'
import { Window } from '../bed/window.ts'

let platform: TestPlatform
let editor: Editor
let window: Window

beforeAll(async () => {
  platform = await TestPlatform.make()
  editor = await Editor.start({ ...inject('bed'), environment: platform.environment, settings: platform.settings() })
  window = new Window(await editor.open(platform.workspace))
})

afterAll(async () => {
  await editor?.close()
  await platform?.remove()
})

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await pictureOfFailure(window.page, task.name)
})

const clip = { x: 0, y: 0, width: 1100, height: 620 }

test('the lens stands above a handler', async () => {
  await window.openFile('hello/helloWorld.ts')
  await window.lens('▶ Deploy function').waitFor()
  expect(await window.lensLines()).toEqual(['▶ Deploy function'])
  await takePicture(window.page, '01-lens', { shownAs: 'walkthrough/handler.png', clip })
})

test('the view offers to start the platform', async () => {
  await window.openView()
  await window.button('Start FaaS').waitFor()
  await takePicture(window.page, '02-welcome')
})

test('the palette starts the platform', async () => {
  await window.command('ryo-faas: Start FaaS')
  await window.toast('ryo-faas runs without containers').waitFor()
  for (const part of ['agent', 'nats', 'proxy', 'keeper', 'dispatcher', 'store']) await window.row(part).waitFor()
  await takePicture(window.page, '03-started', { shownAs: 'walkthrough/platform.png', clip })
})

test('a click on the lens deploys, and the tree shows it running', async () => {
  await window.closeToasts()
  await window.lens('▶ Deploy function').click()
  await window.lens('✓ v1 · 0 calls').waitFor()
  await window.row(/HelloWorld.*v1 · running/).waitFor()
  await window.toast('HelloWorld v1 runs.').waitFor()
  await takePicture(window.page, '04-deployed', { shownAs: 'walkthrough/deployed.png', clip })
})

test('Invoke shows the answer beside the request, and the figures follow', async () => {
  await window.closeToasts()
  await window.lens('Invoke').click()
  await window.editorText(/HTTP 200 OK/).waitFor()
  await window
    .editorText(/Hello, World!/)
    .last()
    .waitFor()
  await window.row(/HelloWorld.*1 call/).waitFor()
  await takePicture(window.page, '05-invoked', { shownAs: 'walkthrough/invoke.png' })
})

test('a request is edited, sent with the keyboard and remembered', async () => {
  await window.page.getByRole('tab', { name: 'HelloWorld.ryo-http' }).first().click()
  await window.type('POST /functions/helloworld/a/path\nx-colour: blue\n\nbody')
  await window.page.keyboard.press('Control+Enter')
  await window.row(/HelloWorld.*2 calls/).waitFor()
  await window.openFile('hello/helloWorld.ts')
  await window.lens(/✓ v1 · 2 calls · p95/).waitFor()
  await window.lens('Invoke').click()
  await window.row(/HelloWorld.*3 calls/).waitFor()
  await window.editorText(/x-colour: blue/).waitFor()
})

test('a broken signature is underlined, and the quick fix repairs it', async () => {
  await window.command('View: Close All Editors')
  await window.openFile('hello/helloWorld.ts')
  await window.lens('Redeploy').waitFor()
  await window.goTo('helloWorld.ts:3:70')
  await window.type('export function HelloWorld(request: string): void {\n  console.log(request)\n}\n')
  await window.page.locator('.squiggly-error').first().waitFor()
  await window.statusBar(/^\s*1\s*0/).waitFor()
  await window.command('Go to Next Problem (Error, Warning, Info)')
  await window.page.getByText('IncomingMessage or Request is passed').first().waitFor()
  await takePicture(window.page, '06-diagnostic', { shownAs: 'diagnostic.png', clip })
  await window.page.keyboard.press('Escape')
  await window.quickFix('Take (request: Request) and return a Response')
  await window.editorText(/HelloWorld\(request: Request\): Response/).waitFor()
})

test('what was repaired is deployed again as the next version', async () => {
  await window.type(
    "export function HelloWorld(request: Request): Response {\n  return new Response('Hello again!')\n}\n",
  )
  await window.page.locator('.squiggly-error').first().waitFor({ state: 'detached' })
  await window.lens('Redeploy').click()
  await window.lens(/✓ v2/).waitFor()
  await window.row(/HelloWorld.*v2 · running/).waitFor()
  expect(await readFile(join(platform.workspace, 'hello/helloWorld.ts'), 'utf8')).toContain('Hello again!')
})

test('the log follows what the function writes', async () => {
  await window.type(
    "export function HelloWorld(request: Request): Response {\n  console.log('seen', request.method)\n  throw new Error('on purpose')\n}\n",
  )
  await window.lens('Redeploy').click()
  await window.lens(/✓ v3/).waitFor()
  await window.lens('Logs').click()
  await window.lens('Invoke').click()
  await window.panelText('Error: on purpose').waitFor()
  await takePicture(window.page, '07-logs', { shownAs: 'logs.png' })
})

test('a version of before serves again', async () => {
  await window.command('View: Close All Editors')
  await window.command('ryo-faas: Roll Function Back')
  await window.pick('HelloWorld')
  await window.pick('v1')
  await window.row(/HelloWorld.*v1 · running/).waitFor()
  await takePicture(window.page, '08-rolled-back')
})

test('stopping takes it out of the tree', async () => {
  await window.command('ryo-faas: Stop Function')
  await window.pick('HelloWorld')
  await window.row('HelloWorld').waitFor({ state: 'detached' })
  await window.command('ryo-faas: Stop FaaS')
  await window.toast('ryo-faas is stopped').waitFor()
  await window.button('Start FaaS').waitFor()
  await takePicture(window.page, '09-stopped')
})
