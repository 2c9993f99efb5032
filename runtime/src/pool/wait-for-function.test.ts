import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'

const RUNTIME = `exports.rehearse = async () => console.log('rehearsed'); exports.file = __filename`
const ENTRY = `
import { createRequire } from 'node:module'
const require = createRequire(import.meta.url)
let runtime
try { runtime = require('./ryo-faas-runtime.cjs').file } catch { runtime = 'none' }
console.log([process.argv[1], process.cwd(), process.env.WORD, runtime].join('\\n'))`

let folder: string
let waiter: string
let loaded: string
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'ryo-faas-waiter-')))
  waiter = join(folder, 'wait.mjs')
  loaded = join(folder, 'loaded.cjs')
  await writeFile(loaded, RUNTIME)
  const source = fileURLToPath(new URL('wait-for-function.ts', import.meta.url))
  await build({ entryPoints: [source], outfile: waiter, format: 'esm', platform: 'node', target: 'node20' })
})
afterAll(() => rm(folder, { recursive: true }))

/** @returns what the function prints */
async function handedOver(name: string, runtime?: string, preloaded = loaded): Promise<string[]> {
  const dir = join(folder, name)
  const entry = join(dir, 'main.mjs')
  await mkdir(dir)
  await writeFile(entry, ENTRY)
  if (runtime !== undefined) await writeFile(join(dir, 'ryo-faas-runtime.cjs'), runtime)
  const child = spawn(process.execPath, [waiter, preloaded], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(JSON.stringify({ entry, cwd: dir, env: { WORD: 'handed over' } }))
  return (await text(child.stdout)).trimEnd().split('\n')
}

test('a function with the same runtime gets the one that is loaded', async () => {
  const dir = join(folder, 'same')
  const printed = ['rehearsed', join(dir, 'main.mjs'), dir, 'handed over', loaded]
  expect(await handedOver('same', RUNTIME)).toEqual(printed)
})

test('one with another runtime, or with its runtime in the bundle, does not', async () => {
  const other = await handedOver('other', `${RUNTIME} // of another release`)
  expect(other.at(-1)).toBe(join(folder, 'other', 'ryo-faas-runtime.cjs'))
  expect((await handedOver('none')).at(-1)).toBe('none')
})

test('where the runtime cannot be loaded ahead, the function loads its own', async () => {
  const printed = await handedOver('alone', RUNTIME, join(folder, 'missing.cjs'))
  expect(printed.at(-1)).toBe(join(folder, 'alone', 'ryo-faas-runtime.cjs'))
})

test('who hands over nothing gets nothing run', async () => {
  const child = spawn(process.execPath, [waiter, loaded], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end()
  expect(await text(child.stdout)).toBe('rehearsed\n')
})
