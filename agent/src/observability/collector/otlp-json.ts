/**
 * OTLP traces in their JSON form (opentelemetry-proto, `ExportTraceServiceRequest`) to spans. Unknown fields are
 * ignored, as the protocol asks; an invalid span is refused alone, and the rest of its batch is accepted.
 */
import { z } from 'zod'
import type { Attributes, SpanKind, SpanView } from '../../contract/index.ts'
import { cut, firstOf, type ReceivedSpan, type Span } from './span.ts'

const KeyValues = z.array(z.object({ key: z.string(), value: z.unknown().optional() })).default([])
const ids = { trace: /^(?!0{32})[0-9a-f]{32}$/i, span: /^(?!0{16})[0-9a-f]{16}$/i }
/** The protocol encodes 64-bit integers as strings; some senders do not. */
const Nanoseconds = z.union([z.string().regex(/^\d{1,20}$/), z.number().int().min(0)])

const OtlpSpan = z.object({
  traceId: z.string().regex(ids.trace),
  spanId: z.string().regex(ids.span),
  parentSpanId: z.union([z.literal(''), z.string().regex(/^[0-9a-f]{16}$/i)]).nullish(),
  name: z.string().default(''),
  kind: z.int().default(0),
  startTimeUnixNano: Nanoseconds,
  endTimeUnixNano: Nanoseconds.default(0),
  attributes: KeyValues,
  events: z
    .array(z.object({ timeUnixNano: Nanoseconds.default(0), name: z.string().default(''), attributes: KeyValues }))
    .default([]),
  links: z
    .array(
      z.object({ traceId: z.string().regex(ids.trace), spanId: z.string().regex(ids.span), attributes: KeyValues }),
    )
    .default([]),
  status: z.object({ code: z.int().default(0), message: z.string().default('') }).nullish(),
})
type OtlpSpan = z.output<typeof OtlpSpan>

export const OtlpTraces = z.object({
  resourceSpans: z
    .array(
      z.object({
        resource: z.object({ attributes: KeyValues }).nullish(),
        scopeSpans: z.array(z.object({ spans: z.array(z.unknown()).default([]) })).default([]),
      }),
    )
    .default([]),
})
export type OtlpTraces = z.output<typeof OtlpTraces>

export interface Translated {
  spans: ReceivedSpan[]
  /** How many were invalid, and what was wrong with the first. */
  rejected: number
  reason?: string
}

const KINDS: readonly SpanKind[] = ['internal', 'internal', 'server', 'client', 'producer', 'consumer']
const STATUSES: readonly SpanView['status'][] = ['unset', 'ok', 'error']
/** Resource attributes that are copied to each span: which function, version and instance it was. */
const RESOURCE_ATTRIBUTES = /^(?:faas\.|service\.(?:version|instance\.id)$)/
const MAX_DEPTH = 8

export function translate(traces: OtlpTraces): Translated {
  const spans: ReceivedSpan[] = []
  let rejected = 0
  let reason: string | undefined
  for (const { resource, scopeSpans } of traces.resourceSpans) {
    const all = attributesOf(resource?.attributes ?? [])
    const service = typeof all['service.name'] === 'string' ? all['service.name'] : 'unknown_service'
    const shared = Object.fromEntries(Object.entries(all).filter(([key]) => RESOURCE_ATTRIBUTES.test(key)))
    for (const candidate of scopeSpans.flatMap(scope => scope.spans)) {
      const parsed = OtlpSpan.safeParse(candidate)
      if (parsed.success) {
        spans.push({ traceId: parsed.data.traceId.toLowerCase(), span: toSpan(parsed.data, { service, shared }) })
      } else {
        rejected++
        reason ??= z.prettifyError(parsed.error)
      }
    }
  }
  return { spans, rejected, ...(reason !== undefined && { reason }) }
}

function toSpan(span: OtlpSpan, { service, shared }: { service: string; shared: Attributes }): Span {
  const startMs = milliseconds(span.startTimeUnixNano)
  const endMs = milliseconds(span.endTimeUnixNano)
  return {
    spanId: span.spanId.toLowerCase(),
    ...(span.parentSpanId && !/^0+$/.test(span.parentSpanId) && { parentSpanId: span.parentSpanId.toLowerCase() }),
    name: cut(span.name),
    kind: KINDS[span.kind] ?? 'internal',
    service: cut(service),
    startMs,
    durationMs: Math.max(0, endMs - startMs),
    status: STATUSES[span.status?.code ?? 0] ?? 'unset',
    ...(span.status?.message && { statusMessage: cut(span.status.message) }),
    attributes: { ...shared, ...attributesOf(span.attributes) },
    events: firstOf(span.events).map(event => ({
      name: cut(event.name),
      atMs: milliseconds(event.timeUnixNano) || startMs,
      attributes: attributesOf(event.attributes),
    })),
    links: firstOf(span.links).map(link => ({
      traceId: link.traceId.toLowerCase(),
      spanId: link.spanId.toLowerCase(),
      attributes: attributesOf(link.attributes),
    })),
  }
}

/** Rounded to microseconds: a number holds no more digits for today's dates. */
function milliseconds(nanoseconds: string | number): number {
  return Number((BigInt(nanoseconds) + 500n) / 1000n) / 1000
}

function attributesOf(pairs: z.output<typeof KeyValues>): Attributes {
  const attributes: Attributes = {}
  for (const { key, value } of firstOf(pairs)) {
    const plain = plainOf(value, 0)
    if (plain === undefined) continue
    // `__proto__` is a valid key in the protocol.
    Object.defineProperty(attributes, cut(key, 256), { value: flat(plain), enumerable: true, configurable: true })
  }
  return attributes
}

type Plain = string | number | boolean | Plain[] | { [key: string]: Plain }

function flat(plain: Plain): Attributes[string] {
  if (typeof plain === 'string') return cut(plain)
  if (typeof plain !== 'object') return plain
  if (!Array.isArray(plain)) return cut(JSON.stringify(plain))
  return firstOf(plain).map(item => (typeof item === 'object' ? cut(JSON.stringify(item)) : cutText(item)))
}

const cutText = <T>(value: T): T | string => (typeof value === 'string' ? cut(value) : value)

/** `AnyValue` of the protocol. */
function plainOf(value: unknown, depth: number): Plain | undefined {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return undefined
  const any = value as Record<string, unknown>
  if (typeof any['stringValue'] === 'string') return any['stringValue']
  if (typeof any['boolValue'] === 'boolean') return any['boolValue']
  if (any['intValue'] !== undefined) return numberOf(any['intValue'])
  if (any['doubleValue'] !== undefined) return numberOf(any['doubleValue'])
  if (typeof any['bytesValue'] === 'string') return any['bytesValue']
  if (any['arrayValue'] !== undefined) {
    return valuesOf(any['arrayValue']).map(item => plainOf(item, depth + 1) ?? '')
  }
  if (any['kvlistValue'] === undefined) return undefined
  const pairs = valuesOf(any['kvlistValue']) as ({ key?: unknown; value?: unknown } | null)[]
  const known = pairs.map(pair => [String(pair?.key), plainOf(pair?.value, depth + 1) ?? ''] as const)
  return Object.fromEntries(known)
}

function valuesOf(list: unknown): unknown[] {
  const values = (list as { values?: unknown } | null)?.values
  return Array.isArray(values) ? firstOf(values as unknown[]).slice() : []
}

/** An integer too large for a number stays text. */
function numberOf(value: unknown): number | string | undefined {
  if (typeof value !== 'number' && typeof value !== 'string') return undefined
  const number = Number(value)
  if (!Number.isFinite(number)) return String(value)
  return Number.isInteger(number) && !Number.isSafeInteger(number) ? String(value) : number
}
