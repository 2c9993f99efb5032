/**
 * Entry of a process that waits for a function, with what every function loads already loaded. It blocks, without
 * using the processor, on a file that ends when everything was handed over: the one named by its argument (a FIFO) or
 * its standard input. Then it runs the function once, as if it had been started with it.
 *
 * It imports nothing of ours: it is copied to where it runs. It is an ES module like our entries, so that
 * `require.main` and `process.mainModule` are as undefined in the function as they would be without it.
 */
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type { HandOver } from '../protocol/hand-over.ts'

const LOADED_BY_EVERY_FUNCTION = [
  'http',
  'net',
  'stream',
  'async_hooks',
  'diagnostics_channel',
  'crypto',
  'module',
  'os',
]

for (const name of LOADED_BY_EVERY_FUNCTION) process.getBuiltinModule(`node:${name}`)

const text = readFileSync(process.argv[2] ?? 0, 'utf8')
// Who would hand over is gone.
if (text === '') process.exit(0)
const { entry, cwd, env } = JSON.parse(text) as HandOver
process.argv.splice(1, Infinity, entry)
Object.assign(process.env, env)
if (cwd !== undefined) process.chdir(cwd)
await import(pathToFileURL(entry).href)
