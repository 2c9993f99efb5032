/** Bundles the dashboard (`agent/dashboard`) into `agent/dist/dashboard`, from where the agent serves it. */
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
