/**
 * What a checkout needs beyond compiled files: the dashboard (`agent/dashboard`), bundled into `agent/dist/dashboard`, from
 * where the agent serves it, and the entry of the command line as one file, which loads in a third of the time.
 */
import { copyFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const source = fileURLToPath(new URL('../dashboard/', import.meta.url))
const target = fileURLToPath(new URL('../dist/dashboard/', import.meta.url))

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

const main = fileURLToPath(new URL('../dist/main/', import.meta.url))
await build({
  entryPoints: [`${main}cli.js`],
  outfile: `${main}quick-cli.js`,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: ['./command-line.js', 'ora'],
  logLevel: 'warning',
})
