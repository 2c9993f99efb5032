/**
 * deploy.json as the editor needs it: entries with their places, even if the file is half written. Problems have the
 * same words as the agent's (`agent/src/deploy-file`); what the schema says is left out, because the editor applies
 * that itself.
 */
import { existsSync } from 'node:fs'
import { dirname, relative, resolve, sep } from 'node:path'
import { applyEdits, findNodeAtLocation, modify, parseTree, type Node, type ParseError } from 'jsonc-parser'
import { kindOf, RyoFaasError, type DeploymentKind } from 'ryo-faas/contract'
import type { Range } from '../editor/range.ts'
import { NAME_PATTERN, routeOf } from '@ryo-faas/runtime/protocol'

/** Offsets into the text. */
export interface Span {
  offset: number
  length: number
}

export interface Entry {
  name: string
  kind: DeploymentKind
  /** What the module exports it as, if the entry says so. */
  export?: string
  /** As the entry says; absent: by the file's ending. */
  language?: string
  /** Absolute. */
  packageDir: string
  /** Absolute. */
  filePath: string
  /** The whole object, its name, and its filePath. */
  span: Span
  nameSpan: Span
  fileSpan: Span
}

export interface DeployFileProblem extends Span {
  code: string
  message: string
}

export interface DeployFileModel {
  /** Absolute. */
  file: string
  /** False if the text does not parse. */
  isWhole: boolean
  /** False for another tool's deploy.json. */
  isOurs: boolean
  entries: Entry[]
  problems: DeployFileProblem[]
  /** Values that are paths, with what they point to. */
  links: (Span & { target: string })[]
}

export function readDeployFile(file: string, text: string): DeployFileModel {
  const errors: ParseError[] = []
  const root = parseTree(text, errors, { allowTrailingComma: true })
  const list = root && findNodeAtLocation(root, ['deploy'])
  const isOurs = list?.type === 'array'
  const model: DeployFileModel = { file, isWhole: errors.length === 0, isOurs, entries: [], problems: [], links: [] }
  const routes = new Map<string, string>()
  for (const node of isOurs ? (list.children ?? []) : []) addEntry(model, node, routes)
  return model
}

/** The export in `filePath` that an entry names. */
export function exportOf({ kind, name, export: exported }: Pick<Entry, 'export' | 'kind' | 'name'>): string {
  return kind === 'service' ? 'main' : (exported ?? name)
}

/** Whether an entry is written in TypeScript or JavaScript, which is all that can be checked here. */
export function isOfNode({ language, filePath }: Pick<Entry, 'filePath' | 'language'>): boolean {
  return language === undefined ? /\.(?:[cm]?[jt]s|[jt]sx)$/.test(filePath) : language === 'node'
}

function addEntry(model: DeployFileModel, node: Node, routes: Map<string, string>): void {
  const folder = dirname(model.file)
  const [name, packageDir, filePath] = ['name', 'packageDir', 'filePath'].map(key => textAt(node, key))
  const [exported, language] = ['export', 'language'].map(key => textAt(node, key)?.text)
  if (name) {
    const earlier = routes.get(routeOf(name.text))
    const message =
      earlier === name.text
        ? `"${name.text}" is declared twice`
        : `"${name.text}" and "${earlier}" have the same route (case does not count)`
    if (earlier !== undefined) model.problems.push({ ...name.span, code: 'duplicate-name', message })
    routes.set(routeOf(name.text), name.text)
  }
  for (const [found, what] of [
    [packageDir, 'folder'],
    [filePath, 'file'],
  ] as const) {
    if (!found) continue
    const target = resolve(folder, found.text)
    const outside = target !== folder && !target.startsWith(folder + sep)
    if (outside) {
      const message = `"${found.text}" is outside the folder of this file`
      model.problems.push({ ...found.span, code: 'path-outside', message })
    } else if (!existsSync(target)) {
      model.problems.push({
        ...found.span,
        code: `missing-${what}`,
        message: `the ${what} "${found.text}" does not exist`,
      })
    }
    model.links.push({ ...found.span, target })
  }
  if (!name || !packageDir || !filePath || !NAME_PATTERN.test(name.text)) return
  model.entries.push({
    name: name.text,
    kind: kindOf({
      async: isOn(node, 'async'),
      mainProcess: isOn(node, 'mainProcess'),
      on: findNodeAtLocation(node, ['on']) ? [] : undefined,
    }),
    ...(exported !== undefined && { export: exported }),
    ...(language !== undefined && { language }),
    packageDir: resolve(folder, packageDir.text),
    filePath: resolve(folder, filePath.text),
    span: spanOf(node),
    nameSpan: name.span,
    fileSpan: filePath.span,
  })
}

function textAt(node: Node, key: string): { text: string; span: Span } | undefined {
  const found = findNodeAtLocation(node, [key])
  const value: unknown = found?.value
  return found && typeof value === 'string' && value !== '' ? { text: value, span: spanOf(found) } : undefined
}

function isOn(node: Node, key: string): boolean {
  const found = findNodeAtLocation(node, [key])
  return found !== undefined && found.value !== false
}

function spanOf({ offset, length }: Node): Span {
  return { offset, length }
}

export interface NewEntry {
  name: string
  kind: DeploymentKind
  packageDir: string
  filePath: string
}

/**
 * The text with one more entry, and where that is. `text` undefined: a new file.
 *
 * @throws RyoFaasError DEPLOY_FILE_INVALID if it is another tool's deploy.json
 */
export function withEntry(file: string, text: string | undefined, entry: NewEntry): { text: string; span: Span } {
  const line = entryText(file, entry)
  if (text === undefined || text.trim() === '') {
    const start = '{\n  // One entry for each function.\n  "deploy": [\n    '
    return { text: `${start}${line}\n  ]\n}\n`, span: { offset: start.length, length: line.length } }
  }
  const errors: ParseError[] = []
  const root = parseTree(text, errors, { allowTrailingComma: true })
  const list = root && findNodeAtLocation(root, ['deploy'])
  if (list?.type !== 'array') {
    // Anything else belongs to another tool.
    if (errors.length > 0 || !root || !isUnused(root)) throw foreignFile(file)
    const formattingOptions = { insertSpaces: true, tabSize: 2, eol: '\n' }
    return withEntry(file, applyEdits(text, modify(text, ['deploy'], [], { formattingOptions })), entry)
  }
  const last = list.children?.at(-1)
  const at = last ? last.offset + last.length : list.offset + 1
  const before = last ? ',\n    ' : '\n    '
  // The end of an empty list moves to its own line.
  const after = last || /^\s*\n/.test(text.slice(at)) ? '' : '\n  '
  return {
    text: text.slice(0, at) + before + line + after + text.slice(at),
    span: { offset: at + before.length, length: line.length },
  }
}

/** An object with nothing but the name of its schema. */
function isUnused({ type, children = [] }: Node): boolean {
  return type === 'object' && children.every(({ children: property }) => property?.[0]?.value === '$schema')
}

function foreignFile(file: string): RyoFaasError {
  return new RyoFaasError(
    'DEPLOY_FILE_INVALID',
    `${file} is not a ryo-faas deploy.json: the "deploy" list is missing`,
    {
      hint: 'It was not changed. Rename it, or create an empty deploy.json in a folder closer to the function.',
    },
  )
}

function entryText(file: string, { name, kind, packageDir, filePath }: NewEntry): string {
  const path = (target: string) => JSON.stringify(`./${relative(dirname(file), target).replaceAll(sep, '/')}`)
  const fields = [
    `"name": ${JSON.stringify(name)}`,
    `"packageDir": ${path(packageDir)}`,
    `"filePath": ${path(filePath)}`,
  ]
  if (kind === 'async') fields.push('"async": true')
  if (kind === 'service') fields.push('"mainProcess": true')
  if (kind === 'trigger') fields.push('"on": [{ "table": "documents", "events": ["new-doc", "updated-doc"] }]')
  return `{ ${fields.join(', ')} }`
}

/** A span as lines and characters, both from 0. */
export function placeIn(text: string, { offset, length }: Span): Range {
  const positionAt = (at: number) => {
    const lines = text.slice(0, at).split('\n')
    return { line: lines.length - 1, character: lines.at(-1)!.length }
  }
  return { start: positionAt(offset), end: positionAt(offset + length) }
}
