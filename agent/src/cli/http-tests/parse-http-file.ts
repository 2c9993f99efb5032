/**
 * Reads `.http` files, as VS Code's REST Client and JetBrains' HTTP client write them. By hand: the one parser on npm
 * that is kept up (httpyac) brings gRPC, AMQP and its own client with it, and the format is one of lines.
 *
 *     @name = value
 *     ### A request: its title
 *     # @name login
 *     # @expect status 200
 *     POST {{url}}/functions/login?a=1
 *         &b=2
 *     Content-Type: application/json
 *
 *     {"user": "{{user}}"}          or   < ./body.json   or, with variables in it,   <@ ./body.json
 */
import { RyoFaasError } from '../../contract/index.ts'

export interface HttpFile {
  /** In their order; a value may name those before it. */
  readonly variables: readonly (readonly [name: string, value: string])[]
  readonly requests: readonly HttpRequest[]
}

export interface HttpRequest {
  /** Text behind `###`, or the request line. */
  readonly title: string
  /** By which later requests refer to its response. */
  readonly name?: string
  /** Of its request line, counting from 1. */
  readonly line: number
  readonly method: string
  readonly url: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body?: HttpBody
  readonly expectations: readonly { readonly text: string; readonly line: number }[]
  /** Headers whose values are in the snapshot, too. */
  readonly shownHeaders: readonly string[]
  /** Parts of the response that are different each time, e.g. `body.id`. */
  readonly masks: readonly string[]
  readonly hasSnapshot: boolean
}

export type HttpBody =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'file'; readonly path: string; readonly hasVariables: boolean }

interface Line {
  readonly text: string
  readonly number: number
}

const VARIABLE = /^@([\w.-]+)\s*=\s*(.*)$/
const COMMENT = /^\s*(?:#|\/\/)/
const SETTING = /^\s*(?:#|\/\/)\s*@([\w-]+)\s*(.*)$/
const REQUEST_LINE = /^(?:([A-Z]+)\s+)?(\S.*?)(?:\s+HTTP\/[\d.]+)?$/
const HEADER = /^([!#$%&'*+.^_`|~\w-]+)\s*:\s*(.*)$/
const FILE = /^<(@?)(?:\w+)?\s+(\S.*)$/
const SCRIPT = /^\s*(?:[<>]\s*\{%|>\s*\S+\.js\s*$)/
/** JetBrains: where a response is kept, and was kept. */
const OUTPUT = /^(?:<>|>>!?)\s/

/** @throws RyoFaasError INVALID_OPTION with file and line */
export function parseHttpFile(text: string, file: string): HttpFile {
  const variables: [string, string][] = []
  const requests: HttpRequest[] = []
  let title = ''
  let block: Line[] = []
  const finish = () => {
    const request = readBlock(block, { title, file, variables })
    if (request !== undefined) requests.push(request)
    block = []
  }
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (!line.startsWith('###')) {
      block.push({ text: line, number: index + 1 })
      continue
    }
    finish()
    title = line.replace(/^#+/, '').trim()
  }
  finish()
  return { variables, requests }
}

interface Around {
  readonly title: string
  readonly file: string
  /** Those of the block are added. */
  readonly variables: [string, string][]
}

function readBlock(block: readonly Line[], { title, file, variables }: Around): HttpRequest | undefined {
  const script = block.find(({ text }) => SCRIPT.test(text))
  if (script !== undefined) throw wrong(file, script, 'scripts are not run; say what you expect with # @expect')
  const settings: Setting[] = []
  const isSetting = ({ text, number }: Line): boolean => {
    const [, name, value = ''] = SETTING.exec(text) ?? []
    if (name === undefined || !SETTINGS.includes(name)) return false
    settings.push({ name, value: value.trim(), line: number })
    return true
  }
  const lines = block.filter(line => !isSetting(line))
  let at = 0
  for (; at < lines.length; at += 1) {
    const { text } = lines[at]!
    const [, name, value] = VARIABLE.exec(text) ?? []
    if (name !== undefined) variables.push([name, value!.trim()])
    else if (text.trim() !== '' && !COMMENT.test(text)) break
  }
  const first = lines[at]
  if (first === undefined) return undefined
  const [, method = 'GET', start] = REQUEST_LINE.exec(first.text.trim()) ?? []
  let url = start ?? ''
  for (at += 1; /^\s+[?&/]/.test(lines[at]?.text ?? ''); at += 1) url += lines[at]!.text.trim()
  const headers: [string, string][] = []
  for (; at < lines.length && lines[at]!.text.trim() !== ''; at += 1) {
    const line = lines[at]!
    if (COMMENT.test(line.text)) continue
    const [, name, value] = HEADER.exec(line.text) ?? []
    if (name === undefined) throw wrong(file, line, `${JSON.stringify(line.text)} is not "Name: value"`)
    headers.push([name, value!.trim()])
  }
  const body = bodyOf(lines.slice(at + 1))
  const valuesOf = (name: string) => settings.filter(setting => setting.name === name)
  const name = valuesOf('name').at(-1)?.value
  return {
    ...{ title: title || name || `${method} ${url}`, line: first.number, method, url, headers },
    ...(name && { name }),
    ...(body && { body }),
    expectations: valuesOf('expect').map(({ value, line }) => ({ text: value, line })),
    shownHeaders: valuesOf('header').map(({ value }) => value.toLowerCase()),
    masks: valuesOf('mask').map(({ value }) => value),
    hasSnapshot: valuesOf('no-snapshot').length === 0,
  }
}

interface Setting {
  readonly name: string
  readonly value: string
  readonly line: number
}

const SETTINGS = ['name', 'expect', 'header', 'mask', 'no-snapshot']

function bodyOf(lines: readonly Line[]): HttpBody | undefined {
  const text = lines
    .map(line => line.text)
    .filter(line => !OUTPUT.test(line))
    .join('\n')
    .trim()
  if (text === '') return undefined
  const [, at, path] = FILE.exec(text) ?? []
  if (path === undefined || text.includes('\n')) return { kind: 'text', text }
  return { kind: 'file', path: path.trim(), hasVariables: at === '@' }
}

function wrong(file: string, { number }: Line, message: string): RyoFaasError {
  return new RyoFaasError('INVALID_OPTION', `${file}:${number}: ${message}`)
}
