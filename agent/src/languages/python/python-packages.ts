/**
 * The packages of functions, each set of them once in a folder of the cache, which versions and images refer to: what
 * requirements.txt or pyproject.toml names comes with pip, from wheels; what is imported beyond that, and all of it if pip
 * can reach nothing, from the packages that are installed on this machine.
 */
import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { RyoFaasError, type Problem } from '../../contract/index.ts'
import { sitesOf, type HostPython } from '../building/index.ts'
import type { FunctionSource } from '../language.ts'
import { Brought, type PythonFunction, type PythonPrograms } from './python-program.ts'

/** Part of every key: increase it when the same input must give other packages. */
const FORMAT = 1
const LAST_LINES = 12

export interface PackageSet extends Brought {
  /** Absolute; absent without packages. */
  folder?: string
  /** Of what is in it. */
  key: string
}

export type PackagesOutcome = { kind: 'brought'; set: PackageSet } | { kind: 'problems'; problems: Problem[] }

export class PythonPackages {
  readonly #cache: string
  readonly #programs: PythonPrograms
  readonly #bringing = new Map<string, Promise<PackageSet>>()

  constructor(cacheDir: string, programs: PythonPrograms) {
    this.#cache = join(cacheDir, 'python')
    this.#programs = programs
  }

  async of(python: HostPython, source: FunctionSource, { imports }: PythonFunction): Promise<PackagesOutcome> {
    const requirements = await requirementsOf(source)
    const sites = [...(await ownSites(source, python)), ...python.sites]
    const names = [...new Set(imports.map(({ name }) => name))].sort()
    const isRequired = ({ name }: { name: string }) => imports.some(each => each.name === name && !each.optional)
    let set: PackageSet
    try {
      set = await this.#bring(python, { requirements: requirements?.text ?? '', names, sites })
    } catch (error) {
      const { message, hint, code } = RyoFaasError.from(error)
      if (code !== 'BUILD_FAILED' || requirements === undefined) throw error
      const finding = { code: 'not-installed', message, ...(hint !== undefined && { hint }) }
      return { kind: 'problems', problems: [{ ...finding, file: requirements.file, line: 1, column: 1 }] }
    }
    const problems = imports
      .filter(each => set.missing.includes(each.name) && isRequired(each))
      .map(({ name, file, line, column }) => ({
        ...{ code: 'missing-package', message: `the package "${name}" is not installed`, file, line, column },
        hint: `Name it in requirements.txt${requirements === undefined ? '' : ' as well'}, or install it on this machine for Python ${python.version}`,
      }))
    return problems.length > 0 ? { kind: 'problems', problems } : { kind: 'brought', set }
  }

  /** One at a time for the same. */
  async #bring(
    python: HostPython,
    asked: { requirements: string; names: string[]; sites: string[] },
  ): Promise<PackageSet> {
    if (asked.requirements === '' && asked.names.length === 0) return { key: '', packages: [], missing: [] }
    const times = await Promise.all(asked.sites.map(async site => [site, (await stat(site)).mtimeMs]))
    const { program, version, tag } = python
    const key = digest([FORMAT, program, version, tag, asked.requirements, asked.names, times])
    const bringing = this.#bringing.get(key) ?? this.#bringNow(python, asked, key)
    this.#bringing.set(key, bringing)
    return bringing.finally(() => this.#bringing.delete(key))
  }

  async #bringNow(
    python: HostPython,
    asked: { requirements: string; names: string[]; sites: string[] },
    key: string,
  ): Promise<PackageSet> {
    const kept = await this.#kept(key)
    if (kept !== undefined) return kept
    await mkdir(join(this.#cache, 'sets'), { recursive: true })
    const target = join(this.#cache, `unfinished-${randomUUID()}`)
    try {
      const outcome = await this.#programs.bring(python, { ...asked, target })
      if (outcome.kind === 'failed') throw notInstalled(outcome.output, outcome.unmet)
      const { packages, missing, why } = outcome
      const content = digest([FORMAT, python.version, python.tag, packages.map(({ name, version }) => [name, version])])
      const folder = join(this.#cache, `packages-${content}`)
      // One with the same packages may be in use.
      if (!(await isFolder(folder))) await rename(target, folder)
      const set: PackageSet = { key: content, folder, packages, missing, ...(why !== undefined && { why }) }
      // What was not there may be there the next time.
      if (missing.length === 0 && why === undefined) await this.#keep(key, set)
      return set
    } finally {
      // What was cancelled may still be writing.
      await rm(target, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    }
  }

  async #kept(key: string): Promise<PackageSet | undefined> {
    try {
      const kept = JSON.parse(await readFile(this.#fileOf(key), 'utf8')) as PackageSet
      return kept.folder !== undefined && (await isFolder(kept.folder)) ? kept : undefined
    } catch {
      return undefined // There is none, or an agent died while it wrote it.
    }
  }

  async #keep(key: string, set: PackageSet): Promise<void> {
    const unfinished = `${this.#fileOf(key)}.${randomUUID()}`
    await writeFile(unfinished, JSON.stringify(set))
    await rename(unfinished, this.#fileOf(key))
  }

  #fileOf(key: string): string {
    return join(this.#cache, 'sets', `${key}.json`)
  }
}

/** Of a virtual environment in the package, or next to deploy.json. */
async function ownSites({ packageDir, rootDir }: FunctionSource, { version }: HostPython): Promise<string[]> {
  const folders = [...new Set([packageDir, rootDir])].flatMap(folder => [join(folder, '.venv'), join(folder, 'venv')])
  return (await Promise.all(folders.map(folder => sitesOf(folder, version)))).flat()
}

/** What the package asks for: the nearest of its two files, in the package or next to deploy.json. */
async function requirementsOf({
  packageDir,
  rootDir,
}: FunctionSource): Promise<{ file: string; text: string } | undefined> {
  for (const folder of new Set([packageDir, rootDir])) {
    const file = join(folder, 'requirements.txt')
    const text = await readFile(file, 'utf8').catch(() => undefined)
    if (text !== undefined) return isEmpty(text) ? undefined : { file, text }
    const project = join(folder, 'pyproject.toml')
    const lines = dependenciesIn(await readFile(project, 'utf8').catch(() => ''))
    if (lines.length > 0) return { file: project, text: lines.join('\n') + '\n' }
  }
  return undefined
}

function isEmpty(text: string): boolean {
  return text.split('\n').every(line => /^\s*(?:#|$)/.test(line))
}

/** `dependencies` of the table `project`, a list of strings. */
export function dependenciesIn(toml: string): string[] {
  const [, table = ''] = /^\[project\][^\n]*\n([\s\S]*?)(?=^\[|$(?![\s\S]))/m.exec(toml) ?? []
  const [, list = ''] = /^dependencies\s*=\s*\[((?:[^\]"'#]|"[^"\n]*"|'[^'\n]*'|#[^\n]*)*)\]/m.exec(table) ?? []
  return [...list.replace(/#[^\n"']*$/gm, '').matchAll(/"([^"\n]*)"|'([^'\n]*)'/g)].map(
    ([, double, single]) => double ?? single ?? '',
  )
}

function notInstalled(output: string, unmet: string[]): RyoFaasError {
  const said = output.split('\n').slice(-LAST_LINES).join('\n')
  return new RyoFaasError('BUILD_FAILED', `pip could not install the packages: ${said}`, {
    hint: `Only wheels are installed. Without a way to an index, packages that this machine has are taken; it lacks ${unmet.join(', ')}`,
  })
}

function digest(parts: unknown): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true
}
