/**
 * What a checkout needs beyond compiled files: the dashboard (`agent/dashboard`), bundled into `agent/dist/dashboard`, and
 * `agent/bundle`, from which the command line and the platform run.
 */
import { copyFile, cp } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { bundleAgent } from './bundle.js'

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

const bundle = fileURLToPath(new URL('../bundle/', import.meta.url))
await bundleAgent(bundle)
// The agent serves it from beside itself.
await cp(target, `${bundle}dashboard`, { recursive: true })
