/**
 * Anything else: a program that serves HTTP, in whatever it is written, as it is. What it has to do is a page of the
 * documentation (`docs/reference/contract.md`); what goes around it is the platform's.
 */
import { existsSync } from 'node:fs'
import { relative, resolve, sep } from 'node:path'
import { PLAIN_PROTOCOL } from '@ryo-faas/runtime/protocol'
import { dockerfileBase, hostPathsOf, RyoFaasError, SCRATCH_BASE, type Problem } from '../../contract/index.ts'
import { HostPythons } from '../building/index.ts'
import type { CheckOutcome, FunctionSource, Language, RunnablePackage } from '../language.ts'
import { commandBase, isPath } from './command-base.ts'
import { CommandBuilder } from './command-builder.ts'

export interface CommandLanguageOptions {
  /** Says where programs are. */
  environment: NodeJS.ProcessEnv
}

export class CommandLanguage implements Language {
  readonly name = 'command'
  readonly endings = []
  readonly claims = ['command', 'dockerfile'] as const
  readonly fields = ['command', 'dockerfile', 'readiness']
  readonly protocol = PLAIN_PROTOCOL
  readonly base = SCRATCH_BASE
  readonly #environment: NodeJS.ProcessEnv
  readonly #pythons: HostPythons
  readonly #builder = new CommandBuilder()

  constructor({ environment }: CommandLanguageOptions) {
    this.#environment = environment
    this.#pythons = new HostPythons({ environment })
  }

  check(sources: FunctionSource[]): Promise<CheckOutcome[]> {
    return Promise.all(sources.map(source => this.#check(source)))
  }

  async #check(source: FunctionSource): Promise<CheckOutcome> {
    const found = await this.#baseOf(source)
    if ('finding' in found) {
      const problem = { ...found.finding, file: source.filePath, line: 1, column: 1 }
      return { kind: 'rejected', problems: [problem] }
    }
    const { base, form } = found
    return { kind: 'accepted', form, base, bundle: signal => this.#builder.bundle(source, signal) }
  }

  async #baseOf(
    source: FunctionSource,
  ): Promise<{ base: string; form: string } | { finding: Pick<Problem, 'code' | 'message' | 'hint'> }> {
    const { name, kind, packageDir, command, dockerfile } = source
    if (kind === 'service') {
      const message = `"${name}" is a program, which registers no handlers: remove "mainProcess"`
      return { finding: { code: 'wrong-kind', message, hint: 'It answers at every path below its own.' } }
    }
    if (dockerfile !== undefined) {
      const path = resolve(packageDir, dockerfile === true ? 'Dockerfile' : dockerfile)
      if (!path.startsWith(packageDir + sep)) {
        return { finding: { code: 'path-outside', message: `"${dockerfile}" is outside the package` } }
      }
      if (!existsSync(path)) {
        return { finding: { code: 'missing-file', message: `the package has no ${relative(packageDir, path)}` } }
      }
      const inPackage = relative(packageDir, path).split(sep).join('/')
      return { base: dockerfileBase(inPackage), form: 'Dockerfile' }
    }
    if (command === undefined) {
      const message = `"${name}" says neither "command" nor "dockerfile"`
      return { finding: { code: 'missing-field', message } }
    }
    try {
      const found = await commandBase(command, {
        ...{ packageDir, environment: this.#environment, pythons: this.#pythons },
      })
      return found.kind === 'problem' ? found : { base: found.base, form: command[0]! }
    } catch (error) {
      const { message, hint } = RyoFaasError.from(error)
      return { finding: { code: 'missing-program', message, ...(hint !== undefined && { hint }) } }
    }
  }

  /** Programs of the machine by their whole path: another one with that name may be first on an instance's path. */
  command({ folder, base, command = [] }: RunnablePackage): string[] {
    const [program, ...args] = command
    if (program === undefined) return []
    if (isPath(program)) return [resolve(folder, program), ...args]
    return [hostPathsOf(base)?.[0] ?? program, ...args]
  }
}
