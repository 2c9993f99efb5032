import pico from 'picocolors'
import { expect, it } from 'vitest'
import { spanTree, type SpanView, type TraceView } from '../contract/index.ts'
import { waterfall } from './waterfall.ts'

const colors = pico.createColors(false)

function span(id: string, parent: string | undefined, more: Partial<SpanView> = {}): SpanView {
  return {
    spanId: id,
    ...(parent !== undefined && { parentSpanId: parent }),
    ...{ name: id, kind: 'internal', service: 'hello', startMs: 0, durationMs: 10, status: 'unset' },
    ...{ attributes: {}, events: [], links: [] },
    ...more,
  }
}

function trace(spans: SpanView[], durationMs = 100): TraceView {
  const about = { traceId: 'a'.repeat(32), name: 'GET /', rootService: 'ryo-faas-proxy', status: 'ok' as const }
  return { ...about, startedAt: '2026-03-01T12:00:00.000Z', durationMs, spans, droppedSpans: 0 }
}

it('draws one line per span, indented by parent, with a bar for its time', () => {
  const spans = [
    span('root', undefined, { durationMs: 100, service: 'ryo-faas-proxy' }),
    span('second', 'root', { startMs: 50, durationMs: 50 }),
    span('first', 'root', { startMs: 10, durationMs: 20 }),
    span('inner', 'first', { startMs: 10, durationMs: 0.25 }),
  ]
  const lines = waterfall(trace(spans), { width: 60, colors, attributes: false })
  const barWidth = 60 - 9 - 14 - 8 - 4
  const bar = (from: number, length: number) => `${' '.repeat(from)}${'━'.repeat(length)}`
  expect(lines).toEqual([
    `root      ryo-faas-proxy   100 ms ${bar(0, barWidth)}`,
    `  first   hello             20 ms ${bar(2, 5)}`,
    `    inner hello            0.3 ms ${bar(2, 1)}`,
    `  second  hello             50 ms ${bar(12, 13)}`,
  ])
})

it('fits the width of the terminal, however long the names', () => {
  const spans = [span('x'.repeat(300), undefined, { service: 'y'.repeat(100), durationMs: 100 })]
  for (const width of [40, 80, 200]) {
    for (const line of waterfall(trace(spans), { width, colors, attributes: false })) {
      expect(line.length).toBeLessThanOrEqual(Math.max(width, 60))
    }
  }
})

it('shows errors, logs and links below their span', () => {
  const exception = {
    'exception.type': 'TypeError',
    'exception.message': 'x is undefined',
    'exception.stacktrace': 'TypeError: x is undefined\n    at charge (shop/pay.ts:12:3)\n    at b (c.ts:1:1)',
  }
  const failed = span('pay', undefined, {
    status: 'error',
    statusMessage: 'x is undefined',
    events: [
      { name: 'log', atMs: 2, attributes: { 'log.severity': 'warn', 'log.message': 'low balance' } },
      { name: 'exception', atMs: 5, attributes: exception },
    ],
    links: ['a', 'b'].map(digit => ({ traceId: digit.repeat(32), spanId: 'c'.repeat(16), attributes: {} })),
    attributes: { 'faas.name': 'pay' },
  })
  const text = waterfall(trace([failed]), { width: 80, colors, attributes: true }).slice(1)
  expect(text).toEqual([
    '  faas.name=pay',
    '  · warn low balance +2.0 ms',
    '  ✗ TypeError: x is undefined +5.0 ms',
    '      at charge (shop/pay.ts:12:3)',
    '      at b (c.ts:1:1)',
    `  ↔ linked with trace ${'b'.repeat(32)}`,
  ])
  const other = span('late', undefined, { status: 'error', statusMessage: 'timed out' })
  expect(waterfall(trace([other]), { width: 80, colors, attributes: false })[1]).toBe('  ✗ timed out')
})

it('shows spans in a cycle or without their parent, and prints no control characters', () => {
  const spans = [span('a', 'b'), span('b', 'a'), span('lost', 'elsewhere'), span('self', 'self')]
  expect(spanTree(spans).map(({ span, depth }) => [span.spanId, depth])).toEqual([
    ['lost', 0],
    ['a', 0],
    ['b', 1],
    ['self', 0],
  ])
  const evil = span('x', undefined, { name: '\u001b[2Jgone\n' })
  expect(waterfall(trace([evil]), { width: 80, colors, attributes: false })[0]).toMatch(/^\?\[2Jgone\? /)
})
