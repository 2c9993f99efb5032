/** Our programs in Python (`runtime/python`), run by the Python of the function: with nothing of the user's but what they read. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { z } from 'zod'
import { Problem, RyoFaasError } from '../../contract/index.ts'
import { pythonEnvironment, type HostPython } from '../building/index.ts'
import type { FunctionSource } from '../language.ts'

/** What `check.py` says of a function that it accepts. */
export const PythonFunction = z.object({
  /** What the handler is, for people. */
  form: z.string(),
  /** Name of the module, and of the handler in it. */
  module: z.string(),
  attribute: z.string(),
  /** Folder below the package that modules are looked for in first. */
  source: z.string(),
  notes: z.array(z.string()),
  /** Names of modules that are neither the package's nor of the standard library. */
  imports: z.array(
    z.object({ name: z.string(), optional: z.boolean(), file: z.string(), line: z.int(), column: z.int() }),
  ),
})
export type PythonFunction = z.infer<typeof PythonFunction>

const Answers = z.array(z.union([z.object({ problems: z.array(Problem) }), PythonFunction]))

/** What `packages.py` brought into a folder. */
export const Brought = z.object({
  packages: z.array(
    z.object({
      name: z.string(),
      version: z.string().nullable(),
      origin: z.enum(['pip', 'machine']),
      bytes: z.int(),
    }),
  ),
  /** Imports that are nowhere. */
  missing: z.array(z.string()),
  /** What pip said when it could not install what this machine has as well. */
  why: z.string().optional(),
})
export type Brought = z.infer<typeof Brought>

const Bringing = z.union([
  Brought.extend({ kind: z.literal('done') }),
  z.object({ kind: z.literal('failed'), output: z.string(), unmet: z.array(z.string()) }),
])

const MAX_OUTPUT = 64 * 1024 * 1024

export interface PythonProgramsOptions {
  /** Folder of the package `@ryo-faas/runtime`; what runs here is in its folder `python`. */
  runtimeDir: string
  environment: NodeJS.ProcessEnv
}

export class PythonPrograms {
  readonly #options: PythonProgramsOptions

  constructor(options: PythonProgramsOptions) {
    this.#options = options
  }

  async check(python: HostPython, sources: readonly FunctionSource[]): Promise<z.infer<typeof Answers>> {
    const functions = sources.map(({ name, kind, export: exported, packageDir, filePath }) => {
      return { name, kind, export: exported, packageDir, filePath }
    })
    return Answers.parse(await this.#run(python, 'check.py', { functions }))
  }

  async bring(
    python: HostPython,
    asked: { target: string; requirements: string; names: readonly string[]; sites: readonly string[] },
  ): Promise<z.infer<typeof Bringing>> {
    return Bringing.parse(await this.#run(python, 'packages.py', asked))
  }

  async #run({ program }: HostPython, name: string, input: unknown): Promise<unknown> {
    const { runtimeDir, environment } = this.#options
    const args = ['-I', '-S', '-X', 'utf8', join(runtimeDir, 'python', name)]
    const output = await new Promise<string>((resolve, reject) => {
      const options = { env: pythonEnvironment(environment), maxBuffer: MAX_OUTPUT, cwd: runtimeDir }
      const child = execFile(program, args, options, (error, stdout, stderr) => {
        if (error === null) resolve(stdout)
        else reject(new RyoFaasError('INTERNAL', `${name} failed: ${stderr || error.message}`, { cause: error }))
      })
      child.stdin?.on('error', () => undefined) // It ended before it read everything; its outcome says why.
      child.stdin?.end(JSON.stringify(input))
    })
    return JSON.parse(output)
  }
}
