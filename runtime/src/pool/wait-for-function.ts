/**
 * Entry of a process that waits for a function, with what every function loads already loaded and used once. It blocks,
 * without using the processor, on a file that ends when everything was handed over: a FIFO or its standard input. Then
 * it runs the function once, as if it had been started with it.
 *
 *   node wait-for-function.js <runtime> [<FIFO>]
 *
 * The runtime is one file of its own (`ryo-faas-runtime.cjs`), which a bundle requires. A bundle that has the very same
 * one gets the one that is loaded here. It imports nothing else of ours: it is copied to where it runs. It is an ES
 * module like our entries, so that `require.main` and `process.mainModule` are as undefined in the function as they
 * would be without it.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { HandOver } from '../protocol/hand-over.ts'

// Loaded as modules too: making one of a part of Node takes as long as loading it.
await Promise.all([
  import('node:async_hooks'),
  import('node:diagnostics_channel'),
  import('node:fs'),
  import('node:http'),
  import('node:module'),
  import('node:net'),
  import('node:os'),
  import('node:path'),
  import('node:timers/promises'),
  import('node:url'),
  import('node:util'),
])
const [, , runtime, pipe] = process.argv as [string, string, string, string?]
const require = createRequire(import.meta.url)
let loaded = await loadRuntime()

const text = readFileSync(pipe ?? 0, 'utf8')
// Who would hand over is gone.
if (text === '') process.exit(0)
const { entry, cwd, env } = JSON.parse(text) as HandOver
process.argv.splice(1, Infinity, entry)
Object.assign(process.env, env)
if (cwd !== undefined) process.chdir(cwd)
giveRuntime(join(dirname(entry), 'ryo-faas-runtime.cjs'))
loaded = undefined
await import(pathToFileURL(entry).href)

/** With its text: the file may be gone when a function is handed over. Without it, the function loads its own. */
async function loadRuntime(): Promise<{ code: Buffer; module: NodeJS.Module | undefined } | undefined> {
  try {
    await (require(runtime) as typeof import('../main.ts')).rehearse().catch(() => undefined)
    return { code: readFileSync(runtime), module: require.cache[require.resolve(runtime)] }
  } catch {
    return undefined
  }
}

/** @param file the function's own runtime; bundles of earlier releases contain it */
function giveRuntime(file: string): void {
  if (loaded === undefined || !existsSync(file) || !readFileSync(file).equals(loaded.code)) return
  require.cache[realpathSync(file)] = loaded.module
}
