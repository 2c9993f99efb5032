/**
 * deploy.json, or what stands in for it, as the editor needs it: entries with their places, even if the file is half
 * written. Problems have the same words as the agent's (`agent/src/deploy-file`); what the schema says is left out,
 * because the editor applies that itself.
 */
import { existsSync } from 'node:fs'
import { dirname, resolve, sep } from 'node:path'
import { findNodeAtLocation, type Node } from 'jsonc-parser'
import { kindOf, type DeploymentKind } from 'ryo-faas/contract'
import type { Range } from '../editor/range.ts'
import { NAME_PATTERN, routeOf } from '@ryo-faas/runtime/protocol'
import { settingsTree, type DeployFileProblem, type ReadModule, type Span } from './settings-tree.ts'

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

export interface DeployFileModel {
  /** Absolute. */
  file: string
  /** False if the text does not parse, or would have to be run. */
  isWhole: boolean
  /** False if there are none: a package.json without the field, or no value at all. */
  hasSettings: boolean
  /** False for another tool's deploy.json. */
  isOurs: boolean
  entries: Entry[]
  /** That its entries have overrides for. */
  environments: string[]
  problems: DeployFileProblem[]
  /** Values that are paths, with what they point to. */
  links: (Span & { target: string })[]
}

/** @param readModule without it, nothing is known of a module */
export function readDeployFile(file: string, text: string, readModule?: ReadModule): DeployFileModel {
  const { root, isWhole, problems } = settingsTree(file, text, readModule)
  const list = root && findNodeAtLocation(root, ['deploy'])
  const isOurs = list?.type === 'array'
  const hasSettings = root !== undefined
  const model: DeployFileModel = {
    file,
    isWhole,
    hasSettings,
    isOurs,
    entries: [],
    environments: [],
    problems,
    links: [],
  }
  const routes = new Map<string, string>()
  for (const node of isOurs ? (list.children ?? []) : []) {
    addEntry(model, node, routes)
    for (const name of keysAt(node, 'environments')) {
      if (!model.environments.includes(name)) model.environments.push(name)
    }
  }
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

function keysAt(node: Node, key: string): string[] {
  const found = findNodeAtLocation(node, [key])
  const fields = found?.type === 'object' ? (found.children ?? []) : []
  return fields.flatMap(({ children }) => (typeof children?.[0]?.value === 'string' ? [children[0].value] : []))
}

function isOn(node: Node, key: string): boolean {
  const found = findNodeAtLocation(node, [key])
  return found !== undefined && found.value !== false
}

function spanOf({ offset, length }: Node): Span {
  return { offset, length }
}

/** A span as lines and characters, both from 0. */
export function placeIn(text: string, { offset, length }: Span): Range {
  const positionAt = (at: number) => {
    const lines = text.slice(0, at).split('\n')
    return { line: lines.length - 1, character: lines.at(-1)!.length }
  }
  return { start: positionAt(offset), end: positionAt(offset + length) }
}
