/** Our program in Go that checks functions (`runtime/go/cmd/check`): its answers, validated. */
import { z } from 'zod'
import { Problem, RyoFaasError } from '../../contract/index.ts'
import type { FunctionSource } from '../language.ts'
import type { Go, GoToolchain } from './go-toolchain.ts'

/** What `go build` gets. Paths are absolute. */
export const GoProgram = z.object({
  /** What the handler is, for people. */
  form: z.string(),
  /** Folder of the module. */
  module: z.string(),
  /** Of the generated main, relative to the module. */
  package: z.string(),
  /** Files that take the place of others: path → content. */
  overlay: z.record(z.string(), z.string()),
  /** The generated main. */
  main: z.string(),
  /** Sources and embedded files. */
  files: z.array(z.string()),
  /** Folder of vendored packages. */
  vendor: z.string().optional(),
})
export type GoProgram = z.infer<typeof GoProgram>

const Answers = z.array(z.object({ problems: z.array(Problem).optional(), program: GoProgram.optional() }))

export type GoAnswer = z.infer<typeof Answers>[number]

export async function checkFunctions(toolchain: GoToolchain, go: Go, sources: FunctionSource[]): Promise<GoAnswer[]> {
  const functions = sources.map(({ name, kind, on, export: exported, rootDir, packageDir, filePath }) => {
    return { name, kind, on, export: exported, rootDir, packageDir, filePath }
  })
  const { cache, runtime } = toolchain
  const input = JSON.stringify({ go: go.program, cache, runtime, functions })
  const outcome = await toolchain.run(go.checker, [], { cwd: runtime, system: go.system, input })
  if (outcome.kind === 'failed') throw new RyoFaasError('INTERNAL', `the checker for Go failed: ${outcome.output}`)
  return Answers.parse(JSON.parse(outcome.output))
}
