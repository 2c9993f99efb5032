/** TypeScript and JavaScript: checked by ts-morph in a process of its own, bundled by esbuild, run by Node. */
import { isDeepStrictEqual } from 'node:util'
import { RUNTIME_PROTOCOL } from '@ryo-faas/runtime/protocol'
import { RyoFaasError, type Problem } from '../../contract/index.ts'
import type { Bundle, CheckOutcome, CommandNeeds, FunctionSource, Language, RunnablePackage } from '../language.ts'
import { Builder, nodeBase, type BuilderOptions, type BundleRequest } from './builder/index.ts'
import {
  createCheckService,
  type CheckServiceOptions,
  type InstalledPlace,
  type WarmCheckService,
} from './checker/index.ts'
import { loadProblem } from './load-problem.ts'
import { MODULE_ENDINGS } from './module-endings.ts'

export interface NodeLanguageOptions extends BuilderOptions {
  checker?: CheckServiceOptions
}

/** Where the packages are that a function imports. */
type Packages = { kind: 'near' } | { kind: 'installed'; place: InstalledPlace } | { kind: 'failed'; problem: Problem }

/** A bundle that was begun before it was asked for. */
interface EarlyBundle {
  request: BundleRequest
  bundle: Promise<Bundle>
  abort: AbortController
}

/** Requests that are remembered. */
const MOST_REMEMBERED = 100

export class NodeLanguage implements Language {
  readonly name = 'node'
  readonly endings = MODULE_ENDINGS
  readonly fields = ['node', 'unbundled']
  readonly protocol = RUNTIME_PROTOCOL
  readonly base = 'node'
  readonly debugging = { protocol: 'inspector' } as const
  readonly loadProblem = loadProblem
  readonly #checker: WarmCheckService
  readonly #builder: Builder
  /** What was bundled, by file and name, the oldest first. */
  readonly #bundled = new Map<string, BundleRequest>()

  constructor({ checker, ...builder }: NodeLanguageOptions) {
    this.#checker = createCheckService(checker)
    this.#builder = new Builder({ compile: request => this.#checker.compile(request), ...builder })
  }

  async check(sources: FunctionSource[]): Promise<CheckOutcome[]> {
    const early = sources.map(source => this.#bundleEarly(source))
    const packages = await Promise.all(sources.map(source => this.#packagesOf(source)))
    const requests = sources.map(({ name, kind, on, packageDir, filePath, export: exported }, index) => ({
      ...{ name, kind, packageDir, filePath },
      ...(on !== undefined && { on }),
      ...(exported !== undefined && { export: exported }),
      ...(packages[index]!.kind === 'installed' && { installed: packages[index]!.place }),
    }))
    const outcomes = await this.#checker.check(requests)
    return outcomes.map((outcome, index) => {
      if (outcome.kind === 'rejected') {
        const missing = packages[index]!
        return missing.kind === 'failed'
          ? { kind: 'rejected', problems: [missing.problem, ...outcome.problems] }
          : outcome
      }
      const { kind: _, form, scheduled, ...call } = outcome
      const request = { ...sources[index]!, ...call }
      const { node } = request
      return {
        ...{ kind: 'accepted', form },
        ...(scheduled !== undefined && { scheduled }),
        ...(node !== undefined && { base: nodeBase(node) }),
        bundle: signal => this.#bundle(request, early[index], signal),
      }
    })
  }

  /**
   * An edit seldom changes what kind of handler it is: what was bundled before is bundled while it is checked, which is 15
   * to 20 ms of a deploy. Nobody sees it if the check says something else.
   */
  #bundleEarly(source: FunctionSource): EarlyBundle | undefined {
    const request = this.#bundled.get(keyOf(source))
    if (request === undefined || !isDeepStrictEqual({ ...request, ...source }, request)) return undefined
    const abort = new AbortController()
    const bundle = this.#builder.bundle(request, abort.signal)
    bundle.catch(() => undefined)
    return { request, bundle, abort }
  }

  async #bundle(request: BundleRequest, early: EarlyBundle | undefined, signal: AbortSignal): Promise<Bundle> {
    const key = keyOf(request)
    this.#bundled.delete(key)
    this.#bundled.set(key, request)
    if (this.#bundled.size > MOST_REMEMBERED) this.#bundled.delete(this.#bundled.keys().next().value!)
    const anew = () => this.#builder.bundle(request, signal)
    if (early === undefined || signal.aborted || !isDeepStrictEqual(early.request, request)) return anew()
    const abort = () => early.abort.abort()
    signal.addEventListener('abort', abort, { once: true })
    // What it has read may have been half written: only what fails now is reported.
    return early.bundle.catch(anew).finally(() => signal.removeEventListener('abort', abort))
  }

  /** Types are in the packages. Many handlers need none: that those cannot be installed matters only to the others. */
  async #packagesOf(source: FunctionSource): Promise<Packages> {
    try {
      const found = await this.#builder.packagesOf(source)
      return found === undefined
        ? { kind: 'near' }
        : { kind: 'installed', place: { root: found.root, folder: found.folder } }
    } catch (error) {
      const { message, hint } = RyoFaasError.from(error)
      const finding = { code: 'not-installed', message, ...(hint !== undefined && { hint }) }
      return { kind: 'failed', problem: { ...finding, file: source.filePath, line: 1, column: 1 } }
    }
  }

  command({ folder, entry }: RunnablePackage, { debug, memoryMb }: CommandNeeds): string[] {
    return [
      'node',
      ...(memoryMb === undefined ? [] : [`--max-old-space-size=${memoryMb}`]),
      ...(debug === undefined ? [] : [`--inspect=${debug.host}:${debug.port}`]),
      `${folder}/${entry}`,
    ]
  }

  warmUp(): Promise<void> {
    return this.#checker.warmUp()
  }

  async close(): Promise<void> {
    await this.#checker.close()
    await this.#builder.close()
  }
}

function keyOf({ name, filePath }: Pick<FunctionSource, 'name' | 'filePath'>): string {
  return `${name} ${filePath}`
}
