/**
 * What tsconfig.json says and the bundler does not do by itself, for the user's own files: metadata of decorators, which
 * the compiler emits, and JSX for a factory of the user's.
 */
import { dirname } from 'node:path'
import { getTsconfig } from 'get-tsconfig'
import type { CompileRequest } from '../checker/index.ts'

type CompilerOptions = Record<string, unknown>

const TYPESCRIPT = /\.[cm]?tsx?$/
const JSX = /\.[jt]sx$/
/** `@Name` where a decorator can be, also in a string; not in the lines of a comment. */
const DECORATOR = /^(?!\s*(?:\*|\/\/|\/\*)).*?(?:^|[\s({,;])@[A-Za-z_$]/m
const PRAGMA = /@jsx\s/
const RUNTIME_PRAGMA = /@jsxRuntime\s/
const CLASSIC = '/** @jsxRuntime classic */ '

export type Compile = (request: CompileRequest) => Promise<string>

export class UserSettings {
  readonly #compile: Compile
  readonly #compiled = new Map<string, { key: string; code: string }>()
  #options = new Map<string, CompilerOptions>()

  constructor(compile: Compile) {
    this.#compile = compile
  }

  /** A build begins: settings are read again. */
  start(): void {
    this.#options = new Map()
  }

  /** The text of one of the user's files, on the same lines, for the bundler to go on with; `undefined`: as it is. */
  async prepare(path: string, text: string): Promise<string | undefined> {
    const prefix = this.#jsxPrefix(path, text)
    const code = await this.#withMetadata(path, text)
    return prefix === '' ? code : prefix + (code ?? text)
  }

  async #withMetadata(path: string, text: string): Promise<string | undefined> {
    if (!TYPESCRIPT.test(path) || !DECORATOR.test(text)) return undefined
    const compilerOptions = this.#optionsFor(path)
    if (compilerOptions['emitDecoratorMetadata'] !== true) return undefined
    const key = JSON.stringify([text, compilerOptions])
    const kept = this.#compiled.get(path)
    if (kept?.key === key) return kept.code
    const code = await this.#compile({ path, text, compilerOptions })
    this.#compiled.set(path, { key, code })
    return code
  }

  /** The bundler's own choice is the automatic one. */
  #jsxPrefix(path: string, text: string): string {
    if (!JSX.test(path) || RUNTIME_PRAGMA.test(text)) return ''
    const { jsx = 'preserve', jsxFactory } = this.#optionsFor(path)
    const isOurs = String(jsx).toLowerCase() === 'preserve' && (PRAGMA.test(text) || jsxFactory !== undefined)
    return isOurs ? CLASSIC : ''
  }

  #optionsFor(path: string): CompilerOptions {
    const dir = dirname(path)
    const known = this.#options.get(dir)
    if (known) return known
    const options: CompilerOptions = { ...getTsconfig(dir)?.config.compilerOptions }
    this.#options.set(dir, options)
    return options
  }
}
