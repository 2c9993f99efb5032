/**
 * The extension's figures, each next to its goal: `npm run bench -w extension`. Packs the extension and installs it in
 * a real editor; what is measured there is measured by `figures.suite.ts`. Needs a built checkout (`npm run build`).
 */
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Editor, installExtension } from '../test/bed/editor.ts'
import { runInHost } from '../test/bed/host-run.ts'
import { TestPlatform } from '../test/bed/platform.ts'
import { pack, type Packed } from '../test/bed/pack.ts'
import { prerequisites } from '../test/bed/prerequisites.ts'

const FILES = 1500
const LOADS = 15

const found = await prerequisites(process.env)
const folder = await mkdtemp(join(tmpdir(), 'ryo-faas-bench-'))
const extensions = join(folder, 'installed')
const platform = await TestPlatform.make({ files: files() })
try {
  const packed = await pack(folder)
  await mkdir(extensions)
  await installExtension({ ...found, vsix: packed.vsix, extensions })
  const installed = join(
    extensions,
    (await readdir(extensions)).find(name => name.startsWith('ryo-faas.'))!,
  )
  const figures = { ...ofPackage(packed), ...(await inFiles(installed)), ...(await inEditor()) }
  for (const [what, { value, limit }] of Object.entries(figures)) {
    const goal = limit === undefined ? '' : `   at most ${limit}${value <= limit ? '' : '   MISSED'}`
    console.log(`${what.padEnd(64)} ${value.toFixed(1).padStart(8)}${goal}`)
  }
} finally {
  await platform.remove()
  await rm(folder, { recursive: true, force: true })
}

type Figures = Record<string, { value: number; limit?: number }>

function ofPackage({ said }: Packed): Figures {
  const [, whole, without] = /: ([\d.]+) MB, ([\d.]+) MB of it/.exec(said)!
  return {
    'the .vsix without the esbuild binary (MB)': { value: Number(without), limit: 8 },
    'the .vsix with it (MB)': { value: Number(whole) },
  }
}

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
  const editor = await Editor.start({ ...found, extensions, environment: { RYO_FAAS_FIGURES: file } })
  const asked = { suite: 'figures', extensions, folder: platform.workspace } as const
  const report = await runInHost(editor, asked).finally(() => editor.close())
  if (report.failed.length > 0) throw new Error(report.failed.map(({ error }) => error).join('\n'))
  const [activate, lens, diagnostic, heap] = Object.entries(
    JSON.parse(await readFile(file, 'utf8')) as Record<string, number>,
  )
  return {
    [activate![0]]: { value: activate![1] },
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
