/**
 * The extension's figures, each beside its limit: `npm run bench -w extension`. Needs a packed extension
 * (`npm run package`). What is measured in the editor is measured by `figures.suite.ts`.
 */
import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installExtension } from '../test/bed/editor.ts'
import { runInHost } from '../test/bed/host-run.ts'
import { TestPlatform } from '../test/bed/platform.ts'
import { prerequisites } from '../test/bed/prerequisites.ts'

const FILES = 1500
const LOADS = 15
const extension = fileURLToPath(new URL('..', import.meta.url))

const found = await prerequisites(process.env)
const vsix = (await readdir(extension)).find(name => name.endsWith('.vsix'))
if (vsix === undefined) throw new Error('pack the extension first: npm run package')
const extensions = await mkdtemp(join(tmpdir(), 'ryo-faas-bench-'))
const platform = await TestPlatform.make({ files: files() })
try {
  await installExtension({ ...found, vsix: join(extension, vsix), extensions })
  const installed = join(
    extensions,
    (await readdir(extensions)).find(name => name.startsWith('ryo-faas.'))!,
  )
  const figures = { ...(await inFiles(installed)), ...(await inEditor()) }
  for (const [what, { value, limit }] of Object.entries(figures)) {
    console.log(`${what.padEnd(64)} ${value.toFixed(1).padStart(8)}   at most ${limit}`)
  }
} finally {
  await platform.remove()
  await rm(extensions, { recursive: true, force: true })
}

type Figures = Record<string, { value: number; limit: number }>

async function inFiles(installed: string): Promise<Figures> {
  const script = join(installed, 'dist', 'extension.cjs')
  const { size } = await stat(script)
  return {
    'extension.cjs (KB)': { value: size / 1000, limit: 300 },
    'loading extension.cjs, median of 15 processes (ms)': { value: loadMs(script), limit: 50 },
  }
}

/** In fresh processes of the machine's Node, the editor's API being empty. */
function loadMs(script: string): number {
  const code = `
    const { Module } = require('node:module')
    const load = Module._load
    Module._load = (name, ...rest) => (name === 'vscode' ? {} : load(name, ...rest))
    const begin = performance.now()
    require(${JSON.stringify(script)})
    console.log(performance.now() - begin)`
  const times = Array.from({ length: LOADS }, () =>
    Number(execFileSync(process.execPath, ['-e', code], { encoding: 'utf8' })),
  )
  return times.sort((a, b) => a - b)[Math.floor(LOADS / 2)]!
}

async function inEditor(): Promise<Figures> {
  const file = join(extensions, 'figures.json')
  const report = await runInHost({
    ...found,
    extensions,
    suite: 'figures',
    folder: platform.workspace,
    environment: { RYO_FAAS_FIGURES: file },
  })
  if (report.failed.length > 0) throw new Error(report.failed.map(({ error }) => error).join('\n'))
  const [lens, diagnostic, heap] = Object.entries(JSON.parse(await readFile(file, 'utf8')) as Record<string, number>)
  return {
    [lens![0]]: { value: lens![1], limit: 20 },
    [diagnostic![0]]: { value: diagnostic![1], limit: 700 },
    [heap![0]]: { value: heap![1], limit: 10 },
  }
}

/** Modules that import each other in a chain, so that all of them are part of the program. */
function files(): Record<string, string> {
  const made: Record<string, string> = { 'package.json': '{ "name": "many", "private": true, "type": "module" }\n' }
  for (let n = 0; n < FILES; n++) {
    const next = n + 1 < FILES ? `import { value as next } from './module-${n + 1}.ts'\n` : 'const next = 0\n'
    made[`src/module-${n}.ts`] =
      `${next}export interface Shape${n} { sides: number }\nexport const value: number = ${n} + next\n`
  }
  made['src/module-7.ts'] = handlerModule()
  made['deploy.json'] = '{ "deploy": [{ "name": "Hello", "packageDir": "./src", "filePath": "./src/module-7.ts" }] }\n'
  return made
}

function handlerModule(): string {
  return "import { value } from './module-8.ts'\nexport function Hello(request: Request): Response {\n  return new Response(String(value))\n}\n"
}
