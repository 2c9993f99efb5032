/** Once for all tests: what they need is fetched, and the extension is packed as it is shipped. */
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'
import { installExtension } from './editor.ts'
import { prerequisites } from './prerequisites.ts'

const run = promisify(execFile)
const extension = fileURLToPath(new URL('../..', import.meta.url))

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [found, vsix] = await Promise.all([prerequisites(process.env), pack()])
  const extensions = await mkdtemp(join(tmpdir(), 'ryo-faas-extensions-'))
  await installExtension({ ...found, vsix, extensions })
  project.provide('bed', { ...found, extensions })
  return () => rm(extensions, { recursive: true, force: true })
}

async function pack(): Promise<string> {
  for (const name of await packages()) await rm(join(extension, name))
  const args = [
    createRequire(import.meta.url).resolve('tsx/cli'),
    '--conditions=source',
    join(extension, 'scripts', 'package.ts'),
  ]
  const { stdout } = await run(process.execPath, args, { cwd: extension, maxBuffer: 64 * 1024 * 1024 })
  console.log(stdout.trim().split('\n').at(-1))
  const [name] = await packages()
  if (name === undefined) throw new Error(`nothing was packed: ${stdout}`)
  return join(extension, name)
}

async function packages(): Promise<string[]> {
  return (await readdir(extension)).filter(name => name.endsWith('.vsix'))
}

export interface Bed {
  editor: string
  chromium: string
  /** Folder in which the packaged extension is installed. */
  extensions: string
}

declare module 'vitest' {
  export interface ProvidedContext {
    bed: Bed
  }
}
