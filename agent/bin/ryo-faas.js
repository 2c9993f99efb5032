#!/usr/bin/env node
const { existsSync, readFileSync } = require('node:fs')
const { enableCompileCache } = require('node:module')
const { join } = require('node:path')

// What Node compiles is kept for the next time, where it can (22.8 and newer).
enableCompileCache?.()

const [first, ...rest] = process.argv.slice(2)
const entry = join(__dirname, '../bundle/main/cli.cjs')
if (rest.length === 0 && ['--version', '-v', 'version'].includes(first)) {
  console.log(JSON.parse(readFileSync(join(__dirname, '../package.json'), 'utf8')).version)
} else if (!existsSync(entry)) {
  console.error('ryo-faas is not built yet: run "npm ci" (or "npm run build") in the checkout.')
  process.exit(1)
} else require(entry)
