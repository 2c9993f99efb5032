/** A server, behind a real sshd on this machine, as the place where everything is done. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestPlatform as ServerPlatform } from '../../../agent/test/support/platform.ts'
import { SshServer } from '../../../agent/test/support/ssh-server.ts'
import { takePicture } from '../bed/pictures.ts'
import { Windows, type Opened } from '../bed/windows.ts'

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
  const started = there.start('process')
  opened = await windows.open({ files: FILES })
  await started
  const { token } = JSON.parse(await there.ok(['token', 'create', 'laptop', '--can', 'admin', '--json'])) as {
    token: string
  }
  const { url } = JSON.parse(await readFile(join(there.home, 'agent.json'), 'utf8')) as { url: string }
  const place = { target: 'server', sshConfig: ssh.config, home: there.home, agentPort: Number(new URL(url).port) }
  const shop = { kind: 'ssh', ...place, token, addedAt: new Date().toISOString() }
  await opened.window.openFile('shop/greet/greet.ts')
  await opened.window.lens('▶ Deploy function').waitFor()
  // As `server add` in a shell, while the window is open.
  await mkdir(opened.platform.home, { recursive: true })
  const servers = JSON.stringify({ format: 1, servers: { shop } })
  await writeFile(join(opened.platform.home, 'servers.json'), servers, { mode: 0o600 })
})
afterAll(async () => {
  await there?.remove()
  await ssh?.remove()
  await rm(runtime, { recursive: true, force: true })
})

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
