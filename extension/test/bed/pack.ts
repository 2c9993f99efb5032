/** Packs the extension as it is shipped. */
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const extension = fileURLToPath(new URL('../..', import.meta.url))

export interface Packed {
  /** Absolute path of the `.vsix`. */
  vsix: string
  /** What the packer says of it: its name and size, with and without the esbuild binary. */
  said: string
}

/** @param folder an empty one, to put it in */
export async function pack(folder: string): Promise<Packed> {
  const script = join(extension, 'scripts', 'package.ts')
  const platform = `${process.platform}-${process.arch}`
  const args = [createRequire(import.meta.url).resolve('tsx/cli'), '--conditions=source', script, platform, folder]
  const { stdout } = await run(process.execPath, args, { cwd: extension, maxBuffer: 64 * 1024 * 1024 })
  const name = (await readdir(folder)).find(found => found.endsWith('.vsix'))
  if (name === undefined) throw new Error(`nothing was packed: ${stdout}`)
  return { vsix: join(folder, name), said: stdout.trim().split('\n').at(-1)! }
}
