/** Folders with a module that says what is deployed, with nothing, and with what nobody trusts yet. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { takePicture } from '../bed/pictures.ts'
import { Windows } from '../bed/windows.ts'

const GREET = 'export const greet = (request: Request): Response => new Response(`Hi, ${request.method}`)\n'

const windows = new Windows()

test('a module says what is deployed, for the environment that is chosen, and gets new entries', async () => {
  const entry = "name: 'greet', packageDir: '.', filePath: './greet.ts'"
  const { platform, window } = await windows.open({
    files: {
      'ryo-faas.config.ts': `export default {\n  deploy: [\n    { ${entry}, environments: { staging: { env: { WHO: 'staging' } } } },\n  ],\n}\n`,
      'greet.ts': 'export const greet = (_request: Request): Response => new Response(`Hi, ${process.env.WHO}`)\n',
      'more.ts': GREET.replaceAll('greet', 'more'),
    },
  })
  await window.openFile('ryo-faas.config.ts')
  await window.lens('▶ Deploy all').waitFor()
  await window.statusBar('no environment').click()
  await window.pick('staging')
  await window.statusBar('staging').waitFor()
  expect(await platform.settings()).toMatchObject({ 'ryo-faas.environment': 'staging' })
  await window.lens('▶ Deploy all').click()
  await window.lens(/v1/).first().waitFor()
  await window.lens('Invoke').first().click()
  await window.editorText('Hi, staging').last().waitFor()
  await window.openFile('more.ts')
  await window.lens('▶ Deploy function').click()
  await window.toast('Added "more" to ryo-faas.config.ts').waitFor()
  expect(await readFile(join(platform.workspace, 'ryo-faas.config.ts'), 'utf8')).toContain(
    ",\n    { name: 'more', packageDir: './', filePath: './more.ts' },\n  ],",
  )
  await takePicture(window.page, '22-module')
})

test('a folder with nothing in it is offered a project, and a new one deploys as it is', async () => {
  const { window } = await windows.open({ files: {} })
  await window.openView()
  await window.button('Start FaaS').waitFor()
  await window.button('New Project').click()
  await window.lens('▶ Deploy function').click()
  await window.lens(/✓ v1/).first().waitFor()
  await window.lens('Invoke').first().click()
  await window.editorText('Hello, World!').last().waitFor()
})

describe('where trust is asked for', () => {
  const windows = new Windows({ workspaceTrust: true, settings: { 'security.workspace.trust.enabled': true } })

  test('an untrusted workspace shows lenses and runs nothing', async () => {
    const { window } = await windows.open({ files: { 'greet.ts': GREET } })
    await window.page.getByRole('button', { name: "No, I don't trust the authors" }).click()
    await window.openFile('greet.ts')
    await window.lens('▶ Deploy function').click()
    await window.toast('is not trusted').waitFor()
    await takePicture(window.page, '22-untrusted')
  })
})
