/** Writes one more function into deploy.json, or into what stands in for it. Pure. */
import { basename, dirname, relative, sep } from 'node:path'
import { PACKAGE_FIELD } from '@ryo-faas/runtime/protocol'
import { applyEdits, findNodeAtLocation, modify, type Node } from 'jsonc-parser'
import { RyoFaasError, type DeploymentKind } from 'ryo-faas/contract'
import { isModule, isPackageFile, settingsTree, type ReadModule, type Span } from './settings-tree.ts'

export interface NewEntry {
  name: string
  kind: DeploymentKind
  packageDir: string
  filePath: string
}

export interface WithEntry {
  text: string
  /** The new entry. */
  span: Span
}

interface Source {
  file: string
  /** Undefined: a new file. */
  text: string | undefined
  /** For modules. */
  readModule?: ReadModule | undefined
}

/** @throws RyoFaasError DEPLOY_FILE_INVALID if it is another tool's deploy.json, or a module that would have to be run */
export function withEntry({ file, text, readModule }: Source, entry: NewEntry): WithEntry {
  if (text !== undefined && isModule(file)) return inModule({ file, text, readModule }, entry)
  const line = entryText(file, entry)
  if (text === undefined || text.trim() === '') {
    const start = '{\n  // One entry for each function.\n  "deploy": [\n    '
    return { text: `${start}${line}\n  ]\n}\n`, span: { offset: start.length, length: line.length } }
  }
  const { root, isWhole } = settingsTree(file, text, undefined)
  const list = root && findNodeAtLocation(root, ['deploy'])
  if (list?.type !== 'array') {
    // Anything else belongs to another tool.
    if (!isWhole || !root || !isUnused(root)) throw foreignFile(file)
    const path = isPackageFile(file) ? [PACKAGE_FIELD, 'deploy'] : ['deploy']
    const formattingOptions = { insertSpaces: true, tabSize: 2, eol: '\n' }
    return withEntry({ file, text: applyEdits(text, modify(text, path, [], { formattingOptions })) }, entry)
  }
  return atEnd(text, list, line)
}

function atEnd(text: string, list: Node, line: string): WithEntry {
  const last = list.children?.at(-1)
  const at = last ? last.offset + last.length : list.offset + 1
  const indent = indentAt(text, last ?? list) + (last ? '' : '  ')
  const before = `${last ? ',' : ''}\n${indent}`
  // The end of an empty list moves to its own line.
  const after = last || /^\s*\n/.test(text.slice(at)) ? '' : `\n${indent.slice(2)}`
  return {
    text: text.slice(0, at) + before + line + after + text.slice(at),
    span: { offset: at + before.length, length: line.length },
  }
}

/** What may stand in a module is more than can be foreseen: the result is read again. */
function inModule({ file, text, readModule }: Source & { text: string }, entry: NewEntry): WithEntry {
  const listIn = (from: string) => {
    const { root } = settingsTree(file, from, readModule)
    const list = root && findNodeAtLocation(root, ['deploy'])
    return list?.type === 'array' ? list : undefined
  }
  const list = listIn(text)
  const line = moduleText(text, entryText(file, entry))
  const isRead = ({ text: changed, span }: WithEntry) =>
    listIn(changed)?.children?.some(({ offset }) => offset === span.offset) === true
  const ways = list ? [() => atEnd(text, list, line), () => atStart(text, list, line)] : []
  for (const way of ways) {
    const changed = way()
    if (isRead(changed)) return changed
  }
  throw new RyoFaasError(
    'DEPLOY_FILE_INVALID',
    `"${entry.name}" cannot be added: the list "deploy" of ${basename(file)} is not found without running it`,
    { hint: `Write it there yourself: ${line}` },
  )
}

/** Before what is spread into the list, for instance. */
function atStart(text: string, { offset }: Node, line: string): WithEntry {
  const before = `\n${indentAt(text, { offset })}  `
  return {
    text: `${text.slice(0, offset + 1)}${before}${line},${text.slice(offset + 1)}`,
    span: { offset: offset + 1 + before.length, length: line.length },
  }
}

/** Of the line that a place is in. */
function indentAt(text: string, { offset }: Pick<Node, 'offset'>): string {
  return /^[ \t]*/.exec(text.slice(text.lastIndexOf('\n', offset - 1) + 1))![0]
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

/** As code, in the quotes that the module uses. */
function moduleText(text: string, line: string): string {
  const code = line.replace(/"(\w+)":/g, '$1:')
  const isSingle = text.split("'").length > text.split('"').length && !/['\\]/.test(code)
  return isSingle ? code.replaceAll('"', "'") : code
}
