/**
 * What a checkout needs beyond compiled files: the dashboard (`agent/dashboard`), bundled into `agent/dist/dashboard`, and
 * `agent/bundle`, from which the command line and the platform run; and the runtime, which needs no package: the one
 * that its schedules are made with is put into their file, and all of it into the one that functions get. Nothing is
 * made again while all that it is made of is older.
 */
import { copyFile, cp, mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { bundleAgent } from './bundle.js'

const source = fileURLToPath(new URL('../dashboard/', import.meta.url))
const target = fileURLToPath(new URL('../dist/dashboard/', import.meta.url))
const scripts = fileURLToPath(new URL('./', import.meta.url))
const root = fileURLToPath(new URL('../../', import.meta.url))
/** Its time is the one at which the last build began. */
const made = join(root, 'agent/bundle/made')

const begin = new Date()
if (await isMade()) process.exit()

async function isMade() {
  const compiled = ['runtime', 'agent'].map(name => join(root, name, 'dist/.tsbuildinfo'))
  const inFolders = await Promise.all(
    [source, scripts].map(async folder => (await readdir(folder, { recursive: true })).map(name => join(folder, name))),
  )
  const written = inFolders.flat().filter(path => !path.endsWith('.tsbuildinfo'))
  const inputs = [...compiled, join(root, 'package-lock.json'), ...written]
  const [last, ...times] = await Promise.all(
    [made, ...inputs].map(async path => (await stat(path).catch(() => undefined))?.mtimeMs),
  )
  return last !== undefined && times.every(time => time < last)
}

await build({
  entryPoints: { app: `${source}main.tsx` },
  outdir: target,
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  conditions: ['source'],
  legalComments: 'none',
  logLevel: 'warning',
})
await build({
  entryPoints: { app: `${source}app.css` },
  outdir: target,
  bundle: true,
  minify: true,
  logLevel: 'warning',
})
await copyFile(`${source}index.html`, `${target}index.html`)

const times = fileURLToPath(new URL('../../runtime/dist/schedules/times.js', import.meta.url))
// Compiled again only when it has changed.
if ((await readFile(times, 'utf8')).includes("from 'croner'")) {
  const licence = await readFile(new URL('../../node_modules/croner/LICENSE', import.meta.url), 'utf8')
  await build({
    entryPoints: [times],
    outfile: times,
    allowOverwrite: true,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    banner: { js: `/*!\nContains croner:\n\n${licence}*/` },
    logLevel: 'warning',
  })
}

const { runtimeFiles } = await import('../dist/languages/node/builder/runtime-module.js')
const { WHOLE_FOLDER } = await import('../../runtime/dist/protocol/index.js')
const compiled = join(root, 'runtime/dist')
const whole = join(compiled, WHOLE_FOLDER)
await mkdir(whole, { recursive: true })
for (const [name, text] of Object.entries(await runtimeFiles(compiled))) await writeFile(join(whole, name), text)

const bundle = fileURLToPath(new URL('../bundle/', import.meta.url))
await bundleAgent(bundle)
// The agent serves it from beside itself.
await cp(target, `${bundle}dashboard`, { recursive: true })
await writeFile(made, '')
await utimes(made, begin, begin)
