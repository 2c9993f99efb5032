#!/usr/bin/env node
import { existsSync } from 'node:fs'

const entry = new URL('../dist/main/cli.js', import.meta.url)
if (!existsSync(entry)) {
  console.error('ryo-faas is not built yet: run "npm ci" (or "npm run build") in the checkout.')
  process.exit(1)
}
await import(entry.href)
