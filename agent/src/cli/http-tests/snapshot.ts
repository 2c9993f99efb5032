/**
 * What is kept of responses, as text that can be read and reviewed: status, some headers, body. What is different each
 * time (times, ids) is masked.
 */
import { createHash } from 'node:crypto'
import { structuredPatch } from 'diff'
import { jsonOf, keysOf, textOf, type ReceivedResponse } from './received-response.ts'

const SHOWN_HEADERS = ['content-type', 'location']
const VOLATILE: [RegExp, string][] = [
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)/g, '<time>'],
  [/\b[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}\b/gi, '<uuid>'],
  [/\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b/g, '<ulid>'],
]
const HEAD = '# Responses as ryo-faas test expects them. Renew them with: ryo-faas test --update\n'

export interface SnapshotOptions {
  readonly headers: readonly string[]
  /** e.g. `body.items[*].id`, `header etag` */
  readonly masks: readonly string[]
  /** Base URL of the deployment, which may be another one tomorrow. */
  readonly url: string
}

export function snapshotOf(response: ReceivedResponse, { headers, masks, url }: SnapshotOptions): string {
  const lines = [`HTTP ${response.status}`]
  const maskedHeaders = masks.flatMap(mask => /^headers?[. ](.+)$/.exec(mask)?.[1]?.toLowerCase() ?? [])
  for (const name of new Set([...SHOWN_HEADERS, ...headers])) {
    const value = response.headers.get(name)
    if (value !== undefined) lines.push(`${name}: ${maskedHeaders.includes(name) ? '<masked>' : value}`)
  }
  const bodyMasks = masks.filter(mask => /^body[.[]/.test(mask)).map(mask => keysOf(mask.slice('body'.length)))
  const text = [...lines, '', bodyText(response, bodyMasks)].join('\n').trimEnd()
  const { origin, host } = new URL(url)
  const placed = text.replaceAll(origin, '{{url}}').replaceAll(host, '{{host}}')
  return VOLATILE.reduce((shown, [pattern, mask]) => shown.replaceAll(pattern, mask), placed)
}

function bodyText(response: ReceivedResponse, masks: readonly string[][]): string {
  const json = jsonOf(response)
  if (json !== undefined) return JSON.stringify(masks.reduce(masked, json), null, 2)
  const text = textOf(response)
  if (text !== undefined) return text
  const digest = createHash('sha256').update(response.bytes).digest('hex').slice(0, 16)
  return `<${response.bytes.length} bytes, sha256 ${digest}>`
}

/** A copy whose part at `keys` is masked; `*` is each key. */
function masked(value: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined) return '<masked>'
  if (typeof value !== 'object' || value === null) return value
  const change = ([name, part]: [string, unknown]): [string, unknown] =>
    key === '*' || key === name ? [name, masked(part, rest)] : [name, part]
  if (Array.isArray(value)) return value.map((part, index) => change([String(index), part])[1])
  return Object.fromEntries(Object.entries(value).map(change))
}

/** @returns title → snapshot */
export function parseSnapshots(text: string): Map<string, string> {
  const snapshots = new Map<string, string>()
  for (const part of text.replaceAll('\r\n', '\n').split(/^### /m).slice(1)) {
    const end = part.indexOf('\n')
    snapshots.set(
      part.slice(0, end),
      part
        .slice(end + 1)
        .replaceAll(/^\\(\\*###)/gm, '$1')
        .trimEnd(),
    )
  }
  return snapshots
}

export function formatSnapshots(snapshots: ReadonlyMap<string, string>): string {
  const parts = [...snapshots].map(([title, text]) => `\n### ${title}\n${text.replaceAll(/^(\\*###)/gm, '\\$1')}\n`)
  return HEAD + parts.join('')
}

/** Lines with `-` (expected), `+` (received) or a space in front, near what is different. */
export function differenceOf(expected: string, received: string): string[] {
  const { hunks } = structuredPatch('', '', `${expected}\n`, `${received}\n`, '', '', { context: 3 })
  return hunks.flatMap(({ lines }, index) => (index === 0 ? lines : ['…', ...lines]))
}
