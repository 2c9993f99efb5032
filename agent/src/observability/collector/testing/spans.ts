/** Spans for tests, with defaults for everything that does not matter. */
import type { ReceivedSpan, Span } from '../span.ts'

export const START_MS = Date.parse('2026-03-01T12:00:00Z')

/** 32 hexadecimal digits that end in this number. */
export const traceId = (number: number): string => `a${number.toString(16).padStart(31, '0')}`
export const spanId = (number: number): string => `b${number.toString(16).padStart(15, '0')}`

/** @param at the number of its trace and its own; `startMs` counts from `START_MS`. */
export function span(at: { trace: number; span?: number; parent?: number }, more: Partial<Span> = {}): ReceivedSpan {
  return {
    traceId: traceId(at.trace),
    span: {
      spanId: spanId(at.span ?? 1),
      ...(at.parent !== undefined && { parentSpanId: spanId(at.parent) }),
      name: `span ${at.span ?? 1}`,
      kind: 'internal',
      service: 'hello',
      durationMs: 10,
      status: 'unset',
      attributes: {},
      events: [],
      links: [],
      ...more,
      startMs: START_MS + (more.startMs ?? at.trace),
    },
  }
}

/** One span as OTLP JSON. */
export function otlpSpan(number: number, more: object = {}): object {
  return {
    traceId: traceId(number),
    spanId: spanId(1),
    name: 'otlp',
    kind: 2,
    startTimeUnixNano: `${START_MS}000000`,
    endTimeUnixNano: `${START_MS + 25}000000`,
    ...more,
  }
}

export function otlpRequest(spans: unknown[], service = 'hello'): object {
  const attributes = [{ key: 'service.name', value: { stringValue: service } }]
  return { resourceSpans: [{ resource: { attributes }, scopeSpans: [{ scope: { name: 'test' }, spans }] }] }
}
