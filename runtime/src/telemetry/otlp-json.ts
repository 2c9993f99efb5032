/**
 * Spans as an `ExportTraceServiceRequest` in the JSON encoding of OTLP 1.x (opentelemetry.io/docs/specs/otlp): ids in
 * hex, 64-bit integers as strings.
 *
 * By hand, because the SDK's exporter costs each process some 15 MB and 60 ms at startup (`bench/telemetry`), more than
 * a function itself with its 7 MB and 30 ms.
 */
import type { Attributes, AttributeValue, Span, SpanKind } from './span.ts'

/** `SpanKind` and `StatusCode` of opentelemetry/proto/trace/v1/trace.proto. */
const KINDS: Record<SpanKind, number> = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 }
const STATUS_CODES = { unset: 0, ok: 1, error: 2 } as const
const PLATFORM_SCOPE: NonNullable<Span['scope']> = { name: 'ryo-faas' }

export function encodeSpans(spans: readonly Span[], resource: Attributes): string {
  const scopes = new Map<string, { scope: object; spans: object[] }>()
  for (const span of spans) {
    const { name, version } = span.scope ?? PLATFORM_SCOPE
    const key = `${name}@${version ?? ''}`
    const group = scopes.get(key) ?? { scope: { name, version }, spans: [] }
    scopes.set(key, group)
    group.spans.push(encodeSpan(span))
  }
  return JSON.stringify({
    resourceSpans: [{ resource: { attributes: encodeAttributes(resource) }, scopeSpans: [...scopes.values()] }],
  })
}

function encodeSpan(span: Span): object {
  const { context, events = [], links = [], status } = span
  return {
    traceId: context.traceId,
    spanId: context.spanId,
    traceState: context.traceState,
    parentSpanId: span.parentSpanId,
    flags: context.flags,
    name: span.name,
    kind: KINDS[span.kind],
    startTimeUnixNano: nanoseconds(span.startTime),
    endTimeUnixNano: nanoseconds(span.endTime),
    attributes: encodeAttributes(span.attributes),
    events: events.map(({ name, time, attributes }) => ({
      name,
      timeUnixNano: nanoseconds(time),
      attributes: encodeAttributes(attributes),
    })),
    links: links.map(({ context: { traceId, spanId, traceState }, attributes = {} }) => ({
      ...{ traceId, spanId, traceState },
      attributes: encodeAttributes(attributes),
    })),
    status: { code: STATUS_CODES[status?.code ?? 'unset'], message: status?.message },
  }
}

function encodeAttributes(attributes: Attributes): object[] {
  const encoded: object[] = []
  for (const key in attributes) {
    const value = attributes[key]
    if (value !== undefined) encoded.push({ key, value: encodeValue(value) })
  }
  return encoded
}

function encodeValue(value: AttributeValue): object {
  switch (typeof value) {
    case 'string':
      return { stringValue: value }
    case 'boolean':
      return { boolValue: value }
    case 'number':
      return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value }
    default:
      return { arrayValue: { values: value.map(encodeValue) } }
  }
}

/** A double holds today's milliseconds to a quarter of a microsecond; further digits are zeros. */
function nanoseconds(ms: number): string {
  const whole = Math.floor(ms)
  return `${whole}${String(Math.floor((ms - whole) * 1e3) * 1e3).padStart(6, '0')}`
}
