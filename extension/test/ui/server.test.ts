/** A server, behind a real sshd on this machine, as the place where everything is done. */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestPlatform as ServerPlatform } from '../../../agent/test/support/platform.ts'
import { SshServer } from '../../../agent/test/support/ssh-server.ts'
import { IS_WHOLE } from '../../../agent/test/support/whole-suite.ts'
import { bed } from '../bed/bed.ts'
import { takePicture } from '../bed/pictures.ts'
import { Windows, type Opened } from '../bed/windows.ts'
import { meetBreakpoint } from './debugging.ts'

const FILES = {
  'shop/deploy.json': JSON.stringify({
    deploy: [{ name: 'greet', packageDir: './greet', filePath: './greet/greet.ts' }],
  }),
  'shop/greet/greet.ts': `import { polite } from './polite.ts'

export function greet(request: Request): Response {
  const name = new URL(request.url).searchParams.get('name') ?? 'World'
  console.log('greeting', name)
  return new Response(polite(name))
}
`,
  'shop/greet/polite.ts': `export function polite(name: string): string {
  const greeting = 'Good day, ' + name
  return greeting
}
`,
}

// The ends of tunnels are there; a path of a socket has to be short.
const runtime = await mkdtemp(join(tmpdir(), 'rfa-run-'))
const windows = new Windows({ stayOpen: true, environment: { XDG_RUNTIME_DIR: runtime } })
let ssh: SshServer
let there: ServerPlatform
let opened: Opened

beforeAll(async () => {
  ;[ssh, there] = await Promise.all([SshServer.start(), ServerPlatform.make()])
  opened = await windows.open({ files: FILES })
  await opened.window.openFile('shop/greet/greet.ts')
  await opened.window.lens('▶ Deploy function').waitFor()
  await addServer()
}, 300_000)
afterAll(async () => {
  await there?.remove()
  await ssh?.remove()
  await rm(runtime, { recursive: true, force: true })
})

/** What is done on this machine as well, in `operations.test.ts`. */
const further = IS_WHOLE ? test : (_title: string, _run: () => Promise<void>) => undefined

/** As in a shell, while the window is open; by what comes with the extension, which brings itself there. */
async function addServer(): Promise<void> {
  const { extensions } = await bed()
  const name = (await readdir(extensions)).find(found => found.startsWith('ryo-faas.'))!
  const cli = join(extensions, name, 'dist', 'agent', 'bundle', 'main', 'cli.cjs')
  const args = [
    ...['server', 'add', 'server', '--name', 'shop', '--ssh-config', ssh.config, '--home', there.home],
    ...['--project', there.project, '--engine', 'process', '--no-service'],
    ...['port', 'agent-port', 'nats-port', 'store-port'].flatMap(port => [`--${port}`, '0']),
  ]
  const env = { ...process.env, RYO_FAAS_HOME: opened.platform.home, XDG_RUNTIME_DIR: runtime }
  await promisify(execFile)(process.execPath, [cli, ...args], { env })
}

test('a server that was added in a shell can be chosen, and the status bar says which one is', async () => {
  const { window } = opened
  await window.statusBar('this machine').waitFor()
  await window.command('ryo-faas: Choose Server')
  await window.pick('shop')
  await window.toast('Functions run on the server shop now.').waitFor()
  await window
    .statusBar(/^.*shop$/)
    .first()
    .waitFor()
  await window.lens('▶ Deploy function to shop').waitFor()
})

test('a click on the lens deploys there, and nothing of this machine is told', async () => {
  const { window, platform } = opened
  await window.openView()
  await window.closeToasts()
  await window.lens('▶ Deploy function to shop').click()
  await window.toast('greet v1 is live on the server shop').waitFor()
  await window.lens('✓ v1 on shop · 0 calls').waitFor()
  await window.row(/greet.*v1(?! · [a-z])/).waitFor()
  const view = await there.details('greet')
  expect(view).toMatchObject({ project: 'shop', filePath: 'greet/greet.ts', version: 1 })
  expect(JSON.stringify(view) + (await there.ok(['audit']))).not.toContain(platform.workspace)
  await takePicture(window.page, '40-server', { shownAs: 'server.png' })
})

test('it is called there, and its log and its counts come from there', async () => {
  const { window } = opened
  await window.closeToasts()
  await window.lens('Logs').click()
  await window.lens('Invoke').click()
  await window
    .editorText(/Good day, World/)
    .last()
    .waitFor()
  await window.row(/greet.*1 call/).waitFor()
  await window.panelText('greeting World').waitFor()
  expect((await there.details('greet')).calls).toBe(1)
})

further('the store there is shown, and a document of it is opened and saved', async () => {
  const { window } = opened
  const put = { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{"data":{"text":"mine"}}' }
  await (
    await there.store()
  )('/tables/notes/docs/first', put)
  await window.openSection('Store')
  await window.unfold('notes', /first.*v1/)
  await window.row(/first.*v1/).click()
  await window.replaceWord('mine', 'changed')
  await window.page.keyboard.press('Control+S')
  await window.row(/first.*v2/).waitFor()
  await window.command('View: Close All Editors')
})

further('the dashboard there opens in a tab', async () => {
  const { window } = opened
  await window.openFile('shop/greet/greet.ts')
  await window.lens('Traces').click()
  await window.dashboard().getByText('GET /functions/greet').first().waitFor()
  await window.command('View: Close All Editors')
})

further('a breakpoint in the TypeScript is hit by a call there', async () => {
  await meetBreakpoint(opened, {
    name: 'greet',
    handler: 'shop/greet/greet.ts',
    file: 'shop/greet/polite.ts',
    line: 3,
    variable: 'Good day, Ann',
    answer: 'Good day, Ann',
    agent: await there.client(),
    picture: { name: '41-breakpoint-on-server' },
  })
})

test('a connection that is lost is shown, and comes back with a click', async () => {
  const { window } = opened
  await window.command('View: Close All Editors')
  await window.openFile('shop/greet/greet.ts')
  await ssh.stop()
  await window.statusBar('FaaS: shop').waitFor()
  // What is known of it stays, and says so.
  await window.lens('(not connected)').waitFor()
  await window.statusBar('FaaS: shop').click()
  await window.toast('the server "shop" cannot be reached').waitFor()
  await takePicture(window.page, '42-server-lost')
  await ssh.resume()
  await window.closeToasts()
  // It may be back before the click: the first one goes on trying for a while.
  await window.statusBar('FaaS:').click()
  // On a busy machine the toast that says so may have gone before it is looked for.
  await window.lens(/v\d+ on shop(?! \(not connected)/).waitFor()
  await window.page.keyboard.press('Escape')
})

test('removing a function there asks with the name of the server', async () => {
  const { window } = opened
  // The one at the cursor.
  await window.command('ryo-faas: Stop and Remove Function')
  const dialog = window.dialog('Stop and remove greet on the server shop?')
  await dialog.getByRole('button', { name: 'Cancel' }).click()
  expect(await there.ok(['details'])).toContain('greet')
  await window.command('ryo-faas: Stop and Remove Function')
  await dialog.getByRole('button', { name: 'Stop and Remove' }).click()
  await window.toast('greet was stopped and removed.').waitFor()
  expect(await there.ok(['details'])).not.toContain('greet')
})
