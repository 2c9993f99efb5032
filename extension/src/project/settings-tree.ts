/**
 * The settings of a project as a tree with places, from whichever kind of file: deploy.json, the field of package.json,
 * or a module, which is read and never run (`agent/src/deploy-file/config-tree.ts`).
 */
import { basename } from 'node:path'
import { CONFIG_FILES, DEPLOY_FILE, PACKAGE_FIELD, PACKAGE_FILE } from '@ryo-faas/runtime/protocol'
import { findNodeAtLocation, parseTree, type Node, type ParseError } from 'jsonc-parser'

/** Offsets into the text. */
export interface Span {
  offset: number
  length: number
}

export interface DeployFileProblem extends Span {
  code: string
  message: string
}

/** Reads the tree of a module. Its parser is large, so it is loaded when the first module is met. */
export type ReadModule = (typeof import('ryo-faas/config-tree'))['configTree']

export interface SettingsTree {
  /** Its `deploy` is the list; places are offsets into the whole text. */
  root: Node | undefined
  /** False if the text does not parse, or would have to be run. */
  isWhole: boolean
  /** Those that no service of the editor reports. */
  problems: DeployFileProblem[]
}

/** Of one folder, the earlier ones count first. */
export const DEPLOY_FILE_NAMES = [DEPLOY_FILE, ...CONFIG_FILES, PACKAGE_FILE]

export function isModule(file: string): boolean {
  return /\.[cm]?[jt]s$/.test(file)
}

export function isPackageFile(file: string): boolean {
  return basename(file) === PACKAGE_FILE
}

/** Whether a package.json may have the field, seen without reading it. */
export function mentionsField(text: string): boolean {
  return text.includes(`"${PACKAGE_FIELD}"`)
}

export function settingsTree(file: string, text: string, readModule: ReadModule | undefined): SettingsTree {
  if (isModule(file)) {
    const tree = readModule?.(text)
    if (tree?.kind === 'read') return { root: tree.root, isWhole: true, problems: [] }
    const problems = tree === undefined ? [] : [{ ...tree, code: 'not-static' }]
    return { root: undefined, isWhole: false, problems: problems.map(onlyProblem) }
  }
  const errors: ParseError[] = []
  const whole = parseTree(text, errors, { allowTrailingComma: true })
  const root = isPackageFile(file) ? whole && findNodeAtLocation(whole, [PACKAGE_FIELD]) : whole
  return { root, isWhole: errors.length === 0, problems: [] }
}

function onlyProblem({ code, message, offset, length }: DeployFileProblem): DeployFileProblem {
  return { code, message, offset, length }
}
