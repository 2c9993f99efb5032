/** Runs one of the suites in `test/host` inside the editor and brings its report. */
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { Editor } from './editor.ts'
import type { HostReport, HostTask } from '../host/index.ts'

const extension = fileURLToPath(new URL('../..', import.meta.url))

/** A suite as a module that the extension host can load, in a folder of its own, and the file of its report. */
export async function bundleSuite(suite: HostTask['suite']): Promise<{ tests: string; report: string }> {
  const out = join(extension, 'out')
  await mkdir(out, { recursive: true })
  const folder = await mkdtemp(join(out, 'host-'))
  const [outfile, report] = [join(folder, 'index.cjs'), join(folder, 'report.json')]
  await writeFile(join(folder, 'task.json'), JSON.stringify({ suite, report } satisfies HostTask))
  await build({
    entryPoints: [join(extension, 'test', 'host', 'index.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    external: ['vscode', 'mocha'],
    conditions: ['source'],
    logLevel: 'error',
  })
  return { tests: outfile, report }
}

/**
 * In a window of its own.
 * @param options.extensions the folder that the editor was started with
 * @param options.folder the workspace, absolute
 */
export async function runInHost(
  editor: Editor,
  options: { suite: HostTask['suite']; extensions: string; folder: string },
): Promise<HostReport> {
  const { tests, report } = await bundleSuite(options.suite)
  try {
    const name = (await readdir(options.extensions)).find(found => found.startsWith('ryo-faas.'))
    if (name === undefined) throw new Error('the packaged extension is not installed')
    const { code, said } = await editor.runTests({
      folder: options.folder,
      extension: join(options.extensions, name),
      tests,
    })
    const text = await readFile(report, 'utf8').catch(() => undefined)
    if (text === undefined) throw new Error(`the suite ended with ${code} and no report:\n${said.join('\n')}`)
    return JSON.parse(text) as HostReport
  } finally {
    await rm(join(tests, '..'), { recursive: true, force: true })
  }
}
