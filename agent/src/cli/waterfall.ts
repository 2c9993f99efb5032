/** Draws a trace for a terminal: one line per span with a bar for its time, and its events below it. */
import { spanTree, type SpanEvent, type SpanView, type TraceView } from '../contract/index.ts'
import { formatDuration, type Output } from './output.ts'

export interface WaterfallOptions {
  /** Columns of the terminal. */
  width: number
  colors: Output['colors']
  /** Show the attributes of each span. */
  attributes: boolean
}

const MIN_BAR = 10
const MAX_NAME = 48
const MAX_SERVICE = 20
const DURATION = 8
const MAX_STACK_LINES = 3

export function waterfall(trace: TraceView, { width, colors, attributes }: WaterfallOptions): string[] {
  const tree = spanTree(trace.spans)
  const names = tree.map(({ span, depth }) => '  '.repeat(depth) + printable(span.name))
  const nameWidth = Math.min(MAX_NAME, Math.floor(width * 0.4), longest(names))
  const serviceWidth = Math.min(MAX_SERVICE, longest(trace.spans.map(({ service }) => service)))
  const barWidth = Math.max(MIN_BAR, width - nameWidth - serviceWidth - DURATION - 4)
  return tree.flatMap(({ span, depth }, at) => {
    const isError = span.status === 'error'
    const paint = isError ? colors.red : span.kind === 'internal' ? colors.green : colors.cyan
    const line = [
      (isError ? colors.red : colors.bold)(fit(names[at]!, nameWidth)),
      colors.dim(fit(printable(span.service), serviceWidth)),
      exactDuration(span.durationMs).padStart(DURATION),
      paint(bar(span, trace.durationMs, barWidth)),
    ].join(' ')
    const indent = '  '.repeat(depth + 1)
    return [line.trimEnd(), ...below(span, { colors, attributes, traceId: trace.traceId }).map(text => indent + text)]
  })
}

/** Replaces control characters by question marks: names come from any sender. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?')
}

interface BelowOptions extends Pick<WaterfallOptions, 'colors' | 'attributes'> {
  /** Trace of the span. */
  traceId: string
}

function below(span: SpanView, { colors, attributes, traceId }: BelowOptions): string[] {
  const events = span.events.flatMap(event => eventLines(event, colors))
  const told = span.events.some(({ name }) => name === 'exception')
  const message = span.status === 'error' && !told ? span.statusMessage : undefined
  return [
    ...(attributes
      ? Object.entries(span.attributes).map(([key, value]) =>
          colors.dim(`${printable(key)}=${printable(String(value))}`),
        )
      : []),
    ...(message === undefined ? [] : [colors.red(`✗ ${printable(message)}`)]),
    ...events,
    // Attempts link to the call that accepted them, which is already shown above.
    ...span.links
      .filter(link => link.traceId !== traceId)
      .map(link => colors.dim(`↔ linked with trace ${link.traceId}`)),
  ]
}

function eventLines({ name, atMs, attributes }: SpanEvent, colors: Output['colors']): string[] {
  const text = (key: string) => (attributes[key] === undefined ? '' : String(attributes[key]))
  const at = colors.dim(`+${exactDuration(atMs)}`)
  switch (name) {
    case 'exception': {
      const stack = text('exception.stacktrace')
        .split('\n')
        .filter(line => /^\s+at /.test(line))
      const what = [text('exception.type'), text('exception.message')].filter(Boolean).join(': ')
      return [
        `${colors.red(`✗ ${printable(what)}`)} ${at}`,
        ...stack.slice(0, MAX_STACK_LINES).map(line => colors.dim(`    ${printable(line.trim())}`)),
      ]
    }
    case 'log': {
      const severity = text('log.severity')
      const paint = /error|fatal/i.test(severity) ? colors.red : /warn/i.test(severity) ? colors.yellow : colors.dim
      return [`${paint(`· ${printable(severity)}`)} ${printable(text('log.message'))} ${at}`]
    }
    default:
      return [`${colors.dim('·')} ${printable(name)} ${at}`]
  }
}

function bar({ startMs, durationMs }: SpanView, totalMs: number, width: number): string {
  const scale = totalMs > 0 ? width / totalMs : 0
  const from = Math.min(width - 1, Math.floor(startMs * scale))
  const length = Math.max(1, Math.min(width - from, Math.round(durationMs * scale)))
  return ' '.repeat(from) + '━'.repeat(length)
}

/** Below 10 ms the tenths matter. */
function exactDuration(milliseconds: number): string {
  return milliseconds < 10 ? `${milliseconds.toFixed(1)} ms` : formatDuration(milliseconds)
}

function fit(text: string, width: number): string {
  return text.length <= width ? text.padEnd(width) : `${text.slice(0, width - 1)}…`
}

function longest(texts: readonly string[]): number {
  return Math.max(1, ...texts.map(({ length }) => length))
}
