/** An answer as text: status and time, headers, an empty line, the body. Pure. */
import { formatDuration } from '../editor/format.ts'

export interface InvokeAnswer {
  status: number
  statusText: string
  durationMs: number
  headers: [name: string, value: string][]
  /** What there is of it. */
  body: Uint8Array
  end: BodyEnd
}

/** Whether this is all of a body: yes; more is coming; the rest was not read because it is long; the rest was lost. */
export type BodyEnd = { kind: 'whole' | 'coming' | 'cut' } | { kind: 'broken'; why: string }

/** More of an answer is not shown, and not read. */
export const LONGEST_BYTES = 512 * 1024
const NEW_LINE = 10
/** Headers that nobody who looks at an answer is interested in. */
const DULL = new Set(['connection', 'keep-alive', 'date', 'transfer-encoding'])

export function answerText({ status, statusText, durationMs, headers, body, end }: InvokeAnswer): string {
  const type = headers.find(([name]) => name === 'content-type')?.[1] ?? ''
  const shown = headers.filter(([name]) => !DULL.has(name)).map(([name, value]) => `${name}: ${value}`)
  const head = [`HTTP ${status} ${statusText}`.trimEnd() + ` · ${formatDuration(durationMs)}`, ...shown]
  return `${head.join('\n')}\n\n${bodyText(body, { type, end })}${endText(body, end)}`
}

function bodyText(body: Uint8Array, { type, end }: { type: string; end: BodyEnd }): string {
  if (body.length === 0) return ''
  let text: string
  try {
    // An incomplete body may end within a character.
    const stream = end.kind !== 'whole'
    text = new TextDecoder('utf-8', { fatal: true }).decode(body.subarray(0, LONGEST_BYTES), { stream })
  } catch {
    const most = end.kind === 'cut' ? 'more than ' : ''
    return `(${most}${body.length} bytes${type ? ` of ${type}` : ''} that are not text)\n`
  }
  return end.kind === 'whole' && /[/+]json\b/.test(type) ? pretty(text) : text
}

/** On its own line. */
function endText(body: Uint8Array, end: BodyEnd): string {
  const before = body.length === 0 || body.at(-1) === NEW_LINE ? '' : '\n'
  switch (end.kind) {
    case 'whole':
      return ''
    case 'coming':
      return `${before}…\n`
    case 'cut':
      return `${before}(truncated: only the first ${LONGEST_BYTES / 1024} KiB are shown)\n`
    case 'broken':
      return `${before}(the answer broke off: ${end.why})\n`
  }
}

function pretty(text: string): string {
  try {
    return `${JSON.stringify(JSON.parse(text), null, 2)}\n`
  } catch {
    return text // It only claimed to be JSON.
  }
}
