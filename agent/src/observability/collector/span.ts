/**
 * A span as it is stored. Invariant: its size is bounded, whatever was sent: a span of megabytes would push hundreds of
 * traces out of the store.
 */
import type { Attributes, SpanKind, SpanView } from '../../contract/index.ts'

/** Times are milliseconds since the epoch, with fractions. */
export interface Span {
  /** 16 hexadecimal digits. */
  spanId: string
  parentSpanId?: string
  name: string
  kind: SpanKind
  service: string
  startMs: number
  durationMs: number
  status: SpanView['status']
  statusMessage?: string
  attributes: Attributes
  events: { name: string; atMs: number; attributes: Attributes }[]
  links: { traceId: string; spanId: string; attributes: Attributes }[]
}

export interface ReceivedSpan {
  /** 32 hexadecimal digits. */
  traceId: string
  span: Span
}

/** UTF-16 units. */
const MAX_TEXT = 16 * 1024
const MAX_LIST = 128
const MAX_SPAN_TEXT = 128 * 1024
const MAX_TEXT_IF_TOO_LARGE = 1024
/** Set on a span that was cut to the limits. */
export const TRUNCATED = 'ryo_faas.truncated'

/** The JSON text of a span, within the bounds. */
export function boundedText(span: Span): string {
  const text = JSON.stringify(span)
  if (text.length <= MAX_SPAN_TEXT) return text
  return JSON.stringify({
    ...span,
    name: cut(span.name, MAX_TEXT_IF_TOO_LARGE),
    attributes: { ...shorten(span.attributes, MAX_TEXT_IF_TOO_LARGE), [TRUNCATED]: true },
    events: span.events
      .slice(0, 8)
      .map(event => ({ ...event, attributes: shorten(event.attributes, MAX_TEXT_IF_TOO_LARGE, 8) })),
    links: [],
  } satisfies Span)
}

/** At most `most` characters; `…` marks a cut. */
export function cut(text: string, most = MAX_TEXT): string {
  return text.length <= most ? text : `${text.slice(0, most)}…`
}

/** The first items of a list, up to the limit. */
export function firstOf<T>(list: readonly T[]): readonly T[] {
  return list.length <= MAX_LIST ? list : list.slice(0, MAX_LIST)
}

function shorten(attributes: Attributes, mostText: number, most = 48): Attributes {
  const short = ([key, value]: [string, Attributes[string]]) =>
    [cut(key, 128), cut(Array.isArray(value) ? JSON.stringify(value) : String(value), mostText)] as const
  return Object.fromEntries(Object.entries(attributes).slice(0, most).map(short))
}
