/** Python: checked by its own syntax tree, with packages from wheels or of this machine, run by the user's Python. */
import { RUNTIME_PROTOCOL } from '@ryo-faas/runtime/protocol'
import { hostPathsOf, type Problem } from '../../contract/index.ts'
import { Debugpy, HostPythons, mustBeAProcess, pythonBase, type HostPython } from '../building/index.ts'
import type {
  CheckOutcome,
  CommandNeeds,
  DebuggedLanguage,
  FunctionSource,
  Language,
  LoadedCode,
  RunnablePackage,
} from '../language.ts'
import { loadProblem } from './load-problem.ts'
import { PythonBuilder } from './python-builder.ts'
import { PythonPackages } from './python-packages.ts'
import { PythonPrograms, type PythonFunction } from './python-program.ts'
import { PythonRuntime } from './python-runtime.ts'

export interface PythonLanguageOptions {
  /** Folder of the package `@ryo-faas/runtime`. */
  runtimeDir: string
  cacheDir: string
  /** Says where Pythons are, and how pip is set up. */
  environment: NodeJS.ProcessEnv
}

export class PythonLanguage implements Language {
  readonly name = 'python'
  readonly endings = ['.py']
  readonly fields = ['python']
  readonly protocol = RUNTIME_PROTOCOL
  /** Never asked for: each function has one that names its Python. */
  readonly base = 'python'
  readonly debugging: DebuggedLanguage = {
    protocol: 'debugpy',
    mustBeThere: ({ base, isOnThisMachine }) => {
      mustBeAProcess('Python', isOnThisMachine)
      this.#debugpy.of(programOf(base))
    },
  }
  readonly #pythons: HostPythons
  readonly #programs: PythonPrograms
  readonly #packages: PythonPackages
  readonly #runtime: PythonRuntime
  readonly #builder = new PythonBuilder()
  readonly #debugpy: Debugpy

  constructor(options: PythonLanguageOptions) {
    this.#pythons = new HostPythons(options)
    this.#debugpy = new Debugpy(options.environment)
    this.#programs = new PythonPrograms(options)
    this.#packages = new PythonPackages(options.cacheDir, this.#programs)
    this.#runtime = new PythonRuntime(options)
  }

  async check(sources: FunctionSource[]): Promise<CheckOutcome[]> {
    const outcomes = new Map<FunctionSource, CheckOutcome>()
    const versions = [...new Set(sources.map(({ python }) => python))]
    await Promise.all(
      versions.map(async version => {
        const own = sources.filter(({ python }) => python === version)
        const python = await this.#pythons.find(version)
        const answers = await this.#programs.check(python, own)
        await Promise.all(
          own.map(async (source, index) => {
            const answer = answers[index]!
            const outcome: CheckOutcome =
              'problems' in answer
                ? { kind: 'rejected', problems: answer.problems }
                : await this.#accept(python, source, answer)
            outcomes.set(source, outcome)
          }),
        )
      }),
    )
    return sources.map(source => outcomes.get(source)!)
  }

  async #accept(python: HostPython, source: FunctionSource, found: PythonFunction): Promise<CheckOutcome> {
    const outcome = await this.#packages.of(python, source, found)
    if (outcome.kind === 'problems') return { kind: 'rejected', problems: outcome.problems }
    const { set: packages } = outcome
    return {
      ...{ kind: 'accepted', form: found.form },
      base: pythonBase(python, packages.folder === undefined ? [] : [packages.folder]),
      bundle: async signal => {
        const runtime = await this.#runtime.prepare(python)
        return this.#builder.bundle({ source, python, found, packages, runtime }, signal)
      },
    }
  }

  /** Without packages and settings of the machine; UTF-8 whatever its language is. */
  command({ folder, entry, base }: RunnablePackage, { debug }: CommandNeeds): string[] {
    const python = programOf(base)
    const program = `${folder}/${entry}`
    const flags = ['-I', '-S', '-B', '-X', 'utf8']
    if (debug === undefined) return [python, ...flags, program]
    const { host, port } = debug
    // Modules that are frozen into Python have no lines to stop at.
    return [
      python,
      ...flags,
      '-X',
      'frozen_modules=off',
      this.#debugpy.of(python),
      '--listen',
      `${host}:${port}`,
      program,
    ]
  }

  loadProblem(lines: readonly string[], code: LoadedCode): Problem | undefined {
    return loadProblem(lines, code)
  }
}

function programOf(base: string | undefined): string {
  return hostPathsOf(base)?.[0] ?? 'python3'
}
