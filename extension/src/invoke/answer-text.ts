/** An answer as text: status and time, headers, an empty line, the body. Pure. */
import { formatDuration } from '../ui/format.ts'

export interface InvokeAnswer {
  status: number
  statusText: string
  durationMs: number
  headers: [name: string, value: string][]
  body: Uint8Array
}

const LONGEST_BYTES = 512 * 1024
/** Of no interest to who looks at an answer. */
const DULL = new Set(['connection', 'keep-alive', 'date', 'transfer-encoding'])

export function answerText({ status, statusText, durationMs, headers, body }: InvokeAnswer): string {
  const type = headers.find(([name]) => name === 'content-type')?.[1] ?? ''
  const shown = headers.filter(([name]) => !DULL.has(name)).map(([name, value]) => `${name}: ${value}`)
  const head = [`HTTP ${status} ${statusText}`.trimEnd() + ` · ${formatDuration(durationMs)}`, ...shown]
  return `${head.join('\n')}\n\n${bodyText(body, type)}`
}

function bodyText(body: Uint8Array, type: string): string {
  if (body.length === 0) return ''
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body.subarray(0, LONGEST_BYTES))
  } catch {
    return `(${body.length} bytes${type ? ` of ${type}` : ''} that are not text)\n`
  }
  if (body.length > LONGEST_BYTES) return `${text}\n(and ${body.length - LONGEST_BYTES} bytes more)\n`
  return /[/+]json\b/.test(type) ? pretty(text) : text
}

function pretty(text: string): string {
  try {
    return `${JSON.stringify(JSON.parse(text), null, 2)}\n`
  } catch {
    return text // It said it were JSON.
  }
}
