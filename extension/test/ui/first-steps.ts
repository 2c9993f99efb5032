/** What a person does first, from opening the folder to stopping what was deployed; the same on every engine. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { takePicture } from '../bed/pictures.ts'
import { Windows, type Opened, type WindowsOptions } from '../bed/windows.ts'

export interface FirstSteps extends Pick<WindowsOptions, 'environment'> {
  /** Before the names of the pictures. */
  pictures: string
  /** These pictures are those of the README and the walkthrough. */
  areShown?: boolean
  /** What the view says of the engine that was found. */
  engineNote: string
  /** Further tests, between calling and changing the function. */
  inBetween?(opened: () => Opened): void
}

const clip = { x: 0, y: 0, width: 1100, height: 620 }

export function firstSteps({ pictures, areShown = false, engineNote, inBetween, ...options }: FirstSteps): void {
  const windows = new Windows({ ...options, stayOpen: true })
  let opened: Opened
  beforeAll(async () => {
    opened = await windows.open({ engine: 'auto' })
  })
  const at = () => opened.window
  const picture = (name: string, shownAs?: string, part?: typeof clip) =>
    takePicture(at().page, `${pictures}-${name}`, {
      ...(areShown && shownAs !== undefined && { shownAs }),
      ...(part && { clip: part }),
    })

  test('the lens is above a handler', async () => {
    const window = at()
    await window.openFile('hello/helloWorld.ts')
    await window.lens('▶ Deploy function').waitFor()
    expect(await window.lensLines()).toEqual(['▶ Deploy function'])
    await picture('01-lens', 'walkthrough/handler.png', clip)
  })

  test('the view offers to start the platform', async () => {
    await at().openView()
    await at().button('Start FaaS').waitFor()
    await picture('02-welcome')
  })

  test('the palette starts the platform', async () => {
    const window = at()
    await window.command('ryo-faas: Start FaaS')
    await window.row(engineNote).waitFor()
    for (const part of ['agent', 'nats', 'proxy', 'keeper', 'dispatcher', 'store']) await window.row(part).waitFor()
    await picture('03-started', 'walkthrough/platform.png', { ...clip, height: 900 })
  })

  test('a click on the lens deploys, and the tree shows it running', async () => {
    const window = at()
    await window.closeToasts()
    await window.lens('▶ Deploy function').click()
    // Before it goes: a busy machine takes its time for the rest.
    await window.toast('HelloWorld v1 is live').waitFor()
    await window.lens('✓ v1 · 0 calls').waitFor()
    await window.row(/HelloWorld.*v1(?! · [a-z])/).waitFor()
    await picture('04-deployed', 'walkthrough/deployed.png', clip)
  })

  test('Invoke shows the answer next to the request, and the counts follow', async () => {
    const window = at()
    await window.closeToasts()
    await window.lens('Invoke').click()
    await window.editorText(/HTTP 200 OK/).waitFor()
    await window
      .editorText(/Hello, World!/)
      .last()
      .waitFor()
    await window.row(/HelloWorld.*1 call/).waitFor()
    await picture('05-invoked', 'walkthrough/invoke.png')
  })

  test('a request is edited, sent with the keyboard and remembered', async () => {
    const window = at()
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

  inBetween?.(() => opened)

  test('a broken signature is underlined, and the quick fix repairs it', async () => {
    const window = at()
    await window.command('View: Close All Editors')
    await window.openFile('hello/helloWorld.ts')
    await window.lens('Redeploy').waitFor()
    await window.goTo('helloWorld.ts:3:70')
    await window.type('export function HelloWorld(request: string): void {\n  console.log(request)\n}\n')
    await window.page.locator('.squiggly-error').first().waitFor()
    await window.statusBar(/^\s*1\s*0/).waitFor()
    await window.command('Go to Next Problem (Error, Warning, Info)')
    await window.page.getByText('IncomingMessage or Request is passed').first().waitFor()
    await window.lensesNotBelow('export function HelloWorld')
    await picture('06-diagnostic', 'diagnostic.png', clip)
    await window.page.keyboard.press('Escape')
    await window.quickFix('Take (request: Request) and return a Response')
    await window.editorText(/HelloWorld\(request: Request\): Response/).waitFor()
  })

  test('what was repaired is deployed again as the next version', async () => {
    const window = at()
    await window.type(
      "export function HelloWorld(request: Request): Response {\n  return new Response('Hello again!')\n}\n",
    )
    await window.page.locator('.squiggly-error').first().waitFor({ state: 'detached' })
    await window.lens('Redeploy').click()
    // On a slow machine it may be asleep again by now.
    await window.lens(/v2/).waitFor()
    await window.row(/HelloWorld.*v2(?! · (?!asleep)[a-z])/).waitFor()
    const saved = await readFile(join(opened.platform.workspace, 'hello/helloWorld.ts'), 'utf8')
    expect(saved).toContain('Hello again!')
  })

  test('the log follows what the function writes', async () => {
    const window = at()
    await window.type(
      "export function HelloWorld(request: Request): Response {\n  console.log('seen', request.method)\n  throw new Error('on purpose')\n}\n",
    )
    await window.lens('Redeploy').click()
    await window.lens(/v3/).waitFor()
    await window.lens('Logs').click()
    await window.lens('Invoke').click()
    await window.panelText('Error: on purpose').waitFor()
    await picture('07-logs', 'logs.png')
  })

  test('a version of before serves again', async () => {
    const window = at()
    await window.command('View: Close All Editors')
    await window.command('ryo-faas: Roll Back Function')
    await window.pick('HelloWorld')
    await window.pick('v1')
    await window.row(/HelloWorld.*v1(?! · [a-z])/).waitFor()
    await picture('08-rolled-back')
  })

  test('stopping takes it out of the tree', async () => {
    const window = at()
    await window.command('ryo-faas: Stop and Remove Function')
    await window.pick('HelloWorld')
    await window.row('HelloWorld').waitFor({ state: 'detached' })
    await window.command('ryo-faas: Stop FaaS')
    await window.toast('ryo-faas is stopped').waitFor()
    await window.button('Start FaaS').waitFor()
    await picture('09-stopped')
  })
}
