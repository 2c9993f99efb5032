/** The host suites in a VS Code of the desktop, where one can be downloaded: `npx tsx extension/test/electron.ts`. */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runTests, runVSCodeCommand } from '@vscode/test-electron'
import { bundleSuite } from './bed/host-run.ts'
import { TestPlatform } from './bed/platform.ts'
import type { HostReport } from './host/index.ts'

const extension = fileURLToPath(new URL('..', import.meta.url))
const vsix = (await readdir(extension)).find(name => name.endsWith('.vsix'))
if (vsix === undefined) throw new Error('pack the extension first: npm run package')

const platform = await TestPlatform.make()
const data = await mkdtemp(join(tmpdir(), 'ryo-faas-electron-'))
const { tests, report } = await bundleSuite('first-steps')
try {
  const extensions = join(data, 'extensions')
  await runVSCodeCommand(['--extensions-dir', extensions, '--install-extension', join(extension, vsix)])
  const name = (await readdir(extensions)).find(found => found.startsWith('ryo-faas.'))!
  await runTests({
    extensionDevelopmentPath: join(extensions, name),
    extensionTestsPath: tests,
    launchArgs: [platform.workspace, '--user-data-dir', join(data, 'user'), '--disable-workspace-trust'],
  })
  const { passed, failed } = JSON.parse(await readFile(report, 'utf8')) as HostReport
  console.log(`${passed.length} passed, ${failed.length} failed`)
  process.exitCode = failed.length === 0 ? 0 : 1
} finally {
  await platform.remove()
  await rm(dirname(tests), { recursive: true, force: true })
  await rm(data, { recursive: true, force: true })
}
