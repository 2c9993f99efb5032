/** A folder in which nothing was ever installed, on a machine without Docker. */
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { takePicture } from '../bed/pictures.ts'
import { NO_DOCKER, Windows, type Opened } from '../bed/windows.ts'

const HANDLER = `import type { IncomingMessage, ServerResponse } from 'node:http'
import { context } from '@ryo-faas/runtime'

export function Greet(request: IncomingMessage, response: ServerResponse): void {
  const wrong: number = context().name
  response.end(String(request.method) + wrong)
}
`
const GREET = 'export const greet = (request: Request): Response => new Response(`Hi, ${request.method}`)\n'

const windows = new Windows({ environment: NO_DOCKER, stayOpen: true })
let opened: Opened
beforeAll(async () => {
  opened = await windows.open({ engine: 'docker', files: { 'typed.ts': HANDLER, 'greet.ts': GREET } })
})

const isTrue = () => true
const isFalse = () => false

test('the types resolve without anything being installed', async () => {
  const { platform, window } = opened
  await window.openFile('typed.ts')
  await window.lens('▶ Deploy function').waitFor()
  // The one mistake that is in it: so the others, of modules not found, would have been reported as well.
  await window.statusBar(/^\s*1\s*0/).waitFor()
  await window.command('Go to Next Problem (Error, Warning, Info)')
  await window.page.getByText("Type 'string' is not assignable to type 'number'").first().waitFor()
  await takePicture(window.page, '20-types')
  await expect(access(join(platform.workspace, 'node_modules'))).rejects.toThrow()
  await window.page.keyboard.press('Escape')
})

test('where Docker is asked for and does not answer, the view says what was tried and offers to do without', async () => {
  const { platform, window } = opened
  await window.openView()
  const start = window.button('Start FaaS')
  await start.click()
  // A welcome view that is drawn again at this moment loses the click.
  while (!(await start.waitFor({ state: 'hidden', timeout: 10_000 }).then(isTrue, isFalse))) await start.click()
  await window.toast('Run without containers').waitFor()
  await window.row(/Docker is not responding.*nowhere/).waitFor()
  await takePicture(window.page, '11-docker-missing')
  await window.row('Run without containers').click()
  await window.row('as processes, without isolation').waitFor()
  expect(await platform.settings()).toMatchObject({ 'ryo-faas.engine': 'process' })
  await window.closeToasts()
})

test('deploying writes the entry into a new deploy.json', async () => {
  const { platform, window } = opened
  await window.openFile('greet.ts')
  await window.lens('▶ Deploy function').click()
  await window.lens(/✓ v1/).first().waitFor()
  await window.toast('Added "greet" to deploy.json').getByRole('button', { name: 'Open' }).click()
  await window.page.locator('.tab[data-resource-name="deploy.json"]').waitFor()
  expect(await readFile(join(platform.workspace, 'deploy.json'), 'utf8')).toContain(
    '{ "name": "greet", "packageDir": "./", "filePath": "./greet.ts" }',
  )
  await takePicture(window.page, '21-entry-written')
})
