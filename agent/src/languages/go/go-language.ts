/** Go: checked by a program of ours with Go's own parser and types, built by the user's `go`, one static binary. */
import { realpath } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { RUNTIME_PROTOCOL } from '@ryo-faas/runtime/protocol'
import { SCRATCH_BASE } from '../../contract/index.ts'
import { findDelve, mustBeAProcess } from '../building/index.ts'
import type {
  CheckOutcome,
  CommandNeeds,
  DebuggedLanguage,
  FunctionSource,
  Language,
  RunnablePackage,
} from '../language.ts'
import { checkFunctions } from './check-program.ts'
import { GoBuilder } from './go-builder.ts'
import { GoToolchain, type GoToolchainOptions } from './go-toolchain.ts'

export class GoLanguage implements Language {
  readonly name = 'go'
  readonly endings = ['.go']
  readonly protocol = RUNTIME_PROTOCOL
  readonly base = SCRATCH_BASE
  readonly debugging: DebuggedLanguage = {
    protocol: 'delve',
    mustBeThere: ({ isOnThisMachine }) => {
      mustBeAProcess('Go', isOnThisMachine)
      this.#delve()
    },
  }
  readonly #toolchain: GoToolchain
  readonly #builder: GoBuilder

  readonly #delve: () => string

  constructor(options: GoToolchainOptions) {
    this.#delve = () => findDelve(options.environment)
    this.#toolchain = new GoToolchain(options)
    this.#builder = new GoBuilder(this.#toolchain)
  }

  async check(given: FunctionSource[]): Promise<CheckOutcome[]> {
    if (given.length === 0) return []
    const sources = await Promise.all(given.map(withRealPaths))
    const go = await this.#toolchain.find()
    const answers = await checkFunctions(this.#toolchain, go, sources)
    return answers.map(({ program, problems = [] }, index) => {
      if (program === undefined) return { kind: 'rejected', problems }
      const { form } = program
      return {
        kind: 'accepted',
        form,
        bundle: (signal, options) => this.#builder.bundle(sources[index]!, program, { ...options, signal }),
      }
    })
  }

  /** Its own memory limit tells the garbage collector when to work harder. */
  command({ folder, entry }: RunnablePackage, { memoryMb, debug }: CommandNeeds): string[] {
    const program = `${folder}/${entry}`
    const args = memoryMb === undefined ? [] : [`--ryo-faas-memory-mb=${memoryMb}`]
    if (debug === undefined) return [program, ...args]
    const listen = `--listen=${debug.host}:${debug.port}`
    // It runs at once, and whoever attaches may leave and come back.
    const flags = ['--headless', listen, '--api-version=2', '--accept-multiclient', '--continue']
    return [this.#delve(), 'exec', ...flags, '--check-go-version=false', program, '--', ...args]
  }
}

/** `go` reports real paths. A file that does not exist is for the checker to say. */
async function withRealPaths(source: FunctionSource): Promise<FunctionSource> {
  try {
    const [rootDir, packageDir] = await Promise.all([realpath(source.rootDir), realpath(source.packageDir)])
    return { ...source, rootDir, packageDir, filePath: join(packageDir, relative(source.packageDir, source.filePath)) }
  } catch {
    return source
  }
}
