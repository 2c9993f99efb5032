/** Our part of a function's process (`runtime/python/ryo_faas`), compiled once for each Python: it loads in half the time. */
import { execFile } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { cp, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packageFiles, pythonEnvironment, type HostPython, type TakenFile } from '../building/index.ts'

export interface PreparedRuntime {
  /** Over its sources. */
  hash: string
  /** With paths relative to the folder that modules are looked for in. */
  files: TakenFile[]
}

export class PythonRuntime {
  readonly #source: string
  readonly #cache: string
  readonly #prepared = new Map<string, Promise<PreparedRuntime>>()

  constructor({ runtimeDir, cacheDir }: { runtimeDir: string; cacheDir: string }) {
    this.#source = join(runtimeDir, 'python', 'ryo_faas')
    this.#cache = join(cacheDir, 'python')
  }

  /** Once for each version of Python and of ours. */
  prepare(python: HostPython): Promise<PreparedRuntime> {
    const known = this.#prepared.get(python.program)
    if (known !== undefined) return known
    const preparing = this.#prepare(python).catch((error: unknown) => {
      this.#prepared.delete(python.program)
      throw error
    })
    this.#prepared.set(python.program, preparing)
    return preparing
  }

  async #prepare({ program, version }: HostPython): Promise<PreparedRuntime> {
    const hash = await this.#hash()
    const folder = join(this.#cache, `runtime-${hash}-${version}`)
    if ((await stat(folder).catch(() => undefined)) === undefined) {
      const unfinished = `${folder}.${randomUUID()}`
      try {
        await mkdir(unfinished, { recursive: true })
        const filter = (path: string) => !path.includes('__pycache__')
        await cp(this.#source, join(unfinished, 'ryo_faas'), { recursive: true, filter })
        const args = ['-I', '-S', '-m', 'compileall', '-q', '--invalidation-mode', 'unchecked-hash', unfinished]
        await promisify(execFile)(program, args, { env: pythonEnvironment(process.env) })
        await rename(unfinished, folder).catch(async (error: unknown) => {
          if ((await stat(folder).catch(() => undefined)) === undefined) throw error // Else another one was faster.
        })
      } finally {
        await rm(unfinished, { recursive: true, force: true })
      }
    }
    return { hash, files: (await packageFiles(folder)).files }
  }

  async #hash(): Promise<string> {
    const hash = createHash('sha256')
    for (const name of (await readdir(this.#source)).filter(name => name.endsWith('.py')).sort()) {
      hash.update(`${name}\0`).update(await readFile(join(this.#source, name)))
    }
    return hash.digest('hex').slice(0, 16)
  }
}
