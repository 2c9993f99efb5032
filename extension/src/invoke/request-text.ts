/**
 * A request as text, as RFC 9112 writes it: a line with method and path, headers, an empty line, the body. Lines
 * that begin with `#` are comments.
 */
import type { DeploymentKind } from 'ryo-faas/contract'
import { FUNCTIONS_PREFIX, routeOf } from '@ryo-faas/runtime/protocol'

export interface InvokeRequest {
  method: string
  /** Begins with `/`; with the query. */
  path: string
  headers: [name: string, value: string][]
  body: string | undefined
}

export type ParsedRequest = { kind: 'request'; request: InvokeRequest } | { kind: 'wrong'; line: number; why: string }

const BODYLESS = new Set(['GET', 'HEAD'])

export function parseRequest(text: string): ParsedRequest {
  const lines = text.split(/\r?\n/)
  let at = lines.findIndex(line => line.trim() !== '' && !line.startsWith('#'))
  if (at < 0) return { kind: 'wrong', line: 0, why: 'the request is empty; write for example "GET /functions/hello"' }
  const [, method, path] = /^([A-Za-z]+)\s+(\/\S*)(?:\s+HTTP\/\S+)?\s*$/.exec(lines[at]!) ?? []
  if (method === undefined || path === undefined) {
    return { kind: 'wrong', line: at, why: 'a request begins with a method and a path: "POST /functions/hello?x=1"' }
  }
  const headers: [string, string][] = []
  for (at++; at < lines.length && lines[at]!.trim() !== ''; at++) {
    const line = lines[at]!
    if (line.startsWith('#')) continue
    const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):\s*(.*?)\s*$/.exec(line) ?? []
    if (name === undefined) return { kind: 'wrong', line: at, why: 'a header is "name: value"' }
    headers.push([name, value ?? ''])
  }
  const body = lines
    .slice(at + 1)
    .join('\n')
    .replace(/\n$/, '')
  const upper = method.toUpperCase()
  const request = { method: upper, path, headers, body: body === '' || BODYLESS.has(upper) ? undefined : body }
  return { kind: 'request', request }
}

/** What the editor shows before the user has written anything. */
export function firstRequest(name: string, kind: DeploymentKind): string {
  const path = `${FUNCTIONS_PREFIX}${routeOf(name)}`
  const remark = '# Edit and press Ctrl+Enter (or ▶ Send) to send again. Saved automatically.\n'
  if (kind !== 'async') return `${remark}GET ${path}\n\n`
  return `${remark}POST ${path}\ncontent-type: application/json\n\n{}\n`
}
