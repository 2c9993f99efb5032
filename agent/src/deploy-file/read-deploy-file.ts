/**
 * Reads deploy.json, or what stands in for it: a module, or a field of package.json. Invariants:
 *
 * 1. All problems of the file are reported at once, each with line and column; with any problem there is no entry.
 * 2. Each entry has a language.
 * 3. Entries come out with absolute paths, and those paths exist and lie inside the folder of the file; with the
 * overrides of one environment, and with every variable in place.
 */
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, resolve, sep } from 'node:path'
import {
  findNodeAtLocation,
  getNodeValue,
  parseTree,
  printParseErrorCode,
  type Node,
  type ParseError,
} from 'jsonc-parser'
import { PACKAGE_FIELD, PACKAGE_FILE, routeOf } from '@ryo-faas/runtime/protocol'
import { z } from 'zod'
import { DeployEntry, DeployFile, plainIssue, sharingRoute, type Problem } from '../contract/index.ts'
import type { Language, Languages } from '../languages/index.ts'
import { configTree } from './config-tree.ts'
import { settledEntries, type DeploySettings } from './entry-settings.ts'
import { isInside } from './inside.ts'
import { schemaProblems } from './schema-problems.ts'
import { SourceMap } from './source-map.ts'

export type DeployFileOutcome = { kind: 'read'; functions: ReadFunction[] } | { kind: 'rejected'; problems: Problem[] }

export interface ReadFunction {
  entry: DeployEntry
  language: Language
  /** Files beyond its packageDir whose change calls for another deploy; they need not exist. */
  watched: string[]
  notes: string[]
  place: EntryPlace
}

const RoutedName = z.object({
  ...DeployEntry.pick({ name: true, route: true, methods: true, domains: true, cors: true, rate: true }).shape,
  on: z.unknown().optional(),
})
type RoutedName = Omit<z.infer<typeof RoutedName>, 'on'>

/** Creates a problem that points at one entry of the file. */
export type EntryPlace = (finding: Pick<Problem, 'code' | 'message' | 'hint' | 'subject'>, field?: string) => Problem

/** @param settings of one deploy; `as-declared` leaves everything that differs between deploys as it is in the file */
export async function readDeployFile(
  file: string,
  languages: Languages,
  settings: DeploySettings | 'as-declared' = {},
): Promise<DeployFileOutcome> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const finding =
      code === 'ENOENT'
        ? { code: 'missing-file', message: 'file not found', hint: 'Create one with: ryo-faas init' }
        : { code: 'unreadable-file', message: `cannot be read: ${message}` }
    return { kind: 'rejected', problems: [{ ...finding, file, line: 1, column: 1 }] }
  }

  const tree = treeOf(file, text)
  const source = new SourceMap(file, text, tree.root)
  if (tree.faults.length > 0) {
    const problems = tree.faults.map(({ finding, offset, length }) => source.atOffset(finding, offset, length))
    return { kind: 'rejected', problems }
  }
  const { root } = tree

  const parsed = DeployFile.safeParse(root ? getNodeValue(root) : undefined, { error: plainIssue })
  const problems = parsed.success ? [] : schemaProblems(parsed.error, source)
  // Names and paths are checked even if the schema has problems elsewhere: the user wants one list, not two.
  const raw = root ? (getNodeValue(root) as { deploy?: unknown } | undefined) : undefined
  const candidates = Array.isArray(raw?.deploy) ? (raw.deploy as unknown[]) : []
  const inPaths = await pathProblems(file, candidates, source)
  const inLanguages = languageProblems(candidates, source, languages)
    // The path itself is wrong, and reported elsewhere.
    .filter(({ line, column }) => !inPaths.some(other => other.line === line && other.column === column))
  const inEntries = [missingFilePath, duplicateNames, uncallable, routeProblems].flatMap(find =>
    find(candidates, source),
  )
  problems.push(...inEntries, ...inPaths, ...inLanguages)
  if (problems.length > 0 || !parsed.success) {
    problems.sort((a, b) => a.line - b.line || a.column - b.column)
    return { kind: 'rejected', problems }
  }

  const base = dirname(file)
  const entries = parsed.data.deploy.map(entry => {
    const packageDir = resolve(base, entry.packageDir)
    const filePath = entry.filePath === '' ? programPath(packageDir, entry) : resolve(base, entry.filePath)
    return { ...entry, packageDir, filePath }
  })
  const placeOf = (index: number): EntryPlace => {
    return (finding, field = 'name') => source.atPath(finding, ['deploy', index, field])
  }
  if (settings === 'as-declared') {
    const declared = entries.map((entry, index) => {
      return { entry, watched: [], notes: [], language: languages.of(entry), place: placeOf(index) }
    })
    return { kind: 'read', functions: declared }
  }
  const { settled, problems: unsettled } = await settledEntries(entries, settings, { base, source })
  if (unsettled.length > 0) return { kind: 'rejected', problems: unsettled }
  return {
    kind: 'read',
    functions: settled.map(({ entry, watched, notes }, index) => ({
      ...{ entry, watched, notes },
      language: languages.of(entry),
      place: placeOf(index),
    })),
  }
}

interface Tree {
  root: Node | undefined
  faults: { finding: Pick<Problem, 'code' | 'message' | 'hint'>; offset: number; length: number }[]
}

/** The settings as a tree, from whichever kind of file. */
function treeOf(file: string, text: string): Tree {
  if (/\.[cm]?[jt]s$/.test(file)) {
    const tree = configTree(text)
    if (tree.kind === 'read') return { root: tree.root, faults: [] }
    const { message, offset, length } = tree
    return { root: undefined, faults: [{ finding: { code: 'not-static', message }, offset, length }] }
  }
  const errors: ParseError[] = []
  const root = parseTree(text, errors, { allowTrailingComma: true })
  const faults = errors.map(({ error, offset, length }) => ({
    ...{ finding: { code: 'syntax', message: syntaxMessage(error) }, offset, length },
  }))
  if (basename(file) !== PACKAGE_FILE || faults.length > 0) return { root, faults }
  const field = root && findNodeAtLocation(root, [PACKAGE_FIELD])
  if (field !== undefined) return { root: field, faults: [] }
  const finding = { code: 'missing-field', message: `there is no field "${PACKAGE_FIELD}"` }
  return { root: undefined, faults: [{ finding, offset: 0, length: 1 }] }
}

function missingFilePath(entries: unknown[], source: SourceMap): Problem[] {
  return entries.flatMap((entry, index) => {
    const { filePath, command, dockerfile } = (entry ?? {}) as Record<string, unknown>
    if (filePath !== undefined && filePath !== '') return []
    if (filePath === undefined && (command !== undefined || dockerfile !== undefined)) return []
    if (typeof entry !== 'object' || entry === null) return []
    const finding =
      filePath === ''
        ? { code: 'wrong-value', message: '"filePath" must be at least 1 characters long' }
        : { code: 'missing-field', message: '"filePath" is missing' }
    return [source.atPath(finding, ['deploy', index, 'filePath'])]
  })
}

/** The file that stands for a program: the first of its words that is one of the package. */
function programPath(packageDir: string, { command = [], dockerfile }: DeployEntry): string {
  const words = dockerfile === undefined ? command : [dockerfile === true ? 'Dockerfile' : dockerfile]
  const found = words
    .map(word => resolve(packageDir, word))
    .find(path => path.startsWith(packageDir + sep) && existsSync(path))
  return found ?? packageDir
}

function duplicateNames(entries: unknown[], source: SourceMap): Problem[] {
  const seen = new Map<string, string>()
  return entries.flatMap((entry, index) => {
    const name = field(entry, 'name')
    if (name === undefined) return []
    const earlier = seen.get(routeOf(name))
    seen.set(routeOf(name), name)
    if (earlier === undefined) return []
    const message =
      earlier === name
        ? `"${name}" is declared twice`
        : `"${name}" and "${earlier}" have the same route (case does not count)`
    return [source.atPath({ code: 'duplicate-name', message }, ['deploy', index, 'name'])]
  })
}

/** A schedule calls its function: one that runs on documents takes no calls. */
function uncallable(entries: unknown[], source: SourceMap): Problem[] {
  return entries.flatMap((entry, index) => {
    const { on, schedule } = (entry ?? {}) as { on?: unknown; schedule?: unknown }
    if (on === undefined || schedule === undefined) return []
    const message = 'a function with "on" takes no calls, so it can have no "schedule": make it two functions'
    return [source.atPath({ code: 'wrong-value', message }, ['deploy', index, 'schedule'])]
  })
}

/** Those of entries whose route and methods are as they must be. */
function routeProblems(entries: unknown[], source: SourceMap): Problem[] {
  const earlier: RoutedName[] = []
  return entries.flatMap((entry, index) => {
    const parsed = RoutedName.safeParse(entry)
    if (!parsed.success) return []
    const problems: Problem[] = []
    const { on, ...own } = parsed.data
    const path = ['deploy', index]
    for (const key of ['route', 'methods', 'domains', 'cors', 'rate'] as const) {
      if (on === undefined || own[key] === undefined) continue
      const message = `"${key}" has no meaning for a trigger, which is not called by URL`
      problems.push(source.atKey({ code: 'wrong-value', message }, path, key))
    }
    const other = sharingRoute(own, earlier)
    earlier.push(own)
    if (other !== undefined) {
      const message = `"${own.name}" and "${other.name}" have the same route and method`
      problems.push(source.atPath({ code: 'duplicate-route', message }, [...path, 'route']))
    }
    return problems
  })
}

function languageProblems(entries: unknown[], source: SourceMap, languages: Languages): Problem[] {
  return entries.flatMap((entry, index) => {
    const { command, dockerfile } = (entry ?? {}) as Record<string, unknown>
    const filePath = field(entry, 'filePath') ?? ''
    if (filePath === '' && command === undefined && dockerfile === undefined) return []
    const choice = { language: field(entry, 'language'), filePath, command, dockerfile }
    const found = languages.problemOf(choice)
    if (found) return [source.atPath(found.finding, ['deploy', index, found.field])]
    const { name } = languages.of(choice)
    return languages.foreignFields(choice, Object.keys(entry as object)).map(key => {
      const finding = { code: 'wrong-value', message: `"${key}" has no meaning for a function in ${name}` }
      return source.atKey(finding, ['deploy', index], key)
    })
  })
}

async function pathProblems(file: string, entries: unknown[], source: SourceMap): Promise<Problem[]> {
  const base = dirname(file)
  const found = await Promise.all(
    entries.map(async (entry, index) => {
      const packageDir = field(entry, 'packageDir')
      const filePath = field(entry, 'filePath')
      const problems: Problem[] = []
      const report = (key: string, code: string, message: string) =>
        problems.push(source.atPath({ code, message }, ['deploy', index, key]))

      const folder = packageDir === undefined ? undefined : resolve(base, packageDir)
      if (folder !== undefined) {
        if (!(await isInside(base, folder)))
          report('packageDir', 'path-outside', `"${packageDir}" is outside the folder of this file`)
        else if ((await kindOfPath(folder)) !== 'folder')
          report('packageDir', 'missing-folder', `the folder "${packageDir}" does not exist`)
      }
      if (filePath !== undefined) {
        const module = resolve(base, filePath)
        if (!(await isInside(base, module)))
          report('filePath', 'path-outside', `"${filePath}" is outside the folder of this file`)
        else if (folder !== undefined && !(await isInside(folder, module))) {
          report('filePath', 'path-outside', `"${filePath}" is outside its packageDir "${packageDir}"`)
        } else if ((await kindOfPath(module)) !== 'file')
          report('filePath', 'missing-file', `the file "${filePath}" does not exist`)
      }
      return problems
    }),
  )
  return found.flat()
}

async function kindOfPath(path: string): Promise<'file' | 'folder' | 'none'> {
  const found = await stat(path).catch(() => undefined)
  return found?.isDirectory() ? 'folder' : found?.isFile() ? 'file' : 'none'
}

function field(entry: unknown, key: string): string | undefined {
  const value = typeof entry === 'object' && entry !== null ? (entry as Record<string, unknown>)[key] : undefined
  return typeof value === 'string' && value.length > 0 ? value : undefined
}

/** `CloseBraceExpected` → `close brace expected`. */
function syntaxMessage(error: ParseError['error']): string {
  return printParseErrorCode(error)
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
}
