#!/usr/bin/env node
import { existsSync, readFileSync } from 'node:fs'
import module from 'node:module'

// What Node compiles is kept for the next time, where it can (22.8 and newer).
module.enableCompileCache?.()

const [first, ...rest] = process.argv.slice(2)
// A checkout has the compiled files, what is published has them bundled.
const entry = ['../dist/main/quick-cli.js', '../bundle/main/cli.js']
  .map(path => new URL(path, import.meta.url))
  .find(url => existsSync(url))
if (rest.length === 0 && ['--version', '-v', 'version'].includes(first)) {
  console.log(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version)
} else if (entry === undefined) {
  console.error('ryo-faas is not built yet: run "npm ci" (or "npm run build") in the checkout.')
  process.exit(1)
} else await import(entry.href)
