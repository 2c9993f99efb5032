/** Runs one of the suites in `test/host` inside the editor and brings its report. */
import { mkdir, mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { Editor, type EditorOptions } from './editor.ts'
import type { HostReport } from '../host/index.ts'

const extension = fileURLToPath(new URL('../..', import.meta.url))

/** The suites as one module that the extension host can load. */
export async function bundleSuites(): Promise<string> {
  const folder = join(extension, 'out')
  await mkdir(folder, { recursive: true })
  const outfile = join(await mkdtemp(join(folder, 'host-')), 'index.cjs')
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
  return outfile
}

/** @param options.folder the workspace, absolute */
export async function runInHost(options: EditorOptions & { suite: string; folder: string }): Promise<HostReport> {
  const tests = await bundleSuites()
  const report = join(tests, '..', 'report.json')
  const environment = { ...options.environment, RYO_FAAS_SUITE: options.suite, RYO_FAAS_REPORT: report }
  const editor = await Editor.start({ ...options, environment })
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
    await editor.close()
    await rm(join(tests, '..'), { recursive: true, force: true })
  }
}
