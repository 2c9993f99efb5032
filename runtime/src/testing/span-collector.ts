/** A collector for tests that keeps the spans it receives as plain data. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ReceivedSpan {
  name: string
  kind: number
  traceId: string
  spanId: string
  parentSpanId?: string
  traceState?: string
  attributes: Record<string, unknown>
  events: { name: string; attributes: Record<string, unknown> }[]
  links: { spanId: string }[]
  status: { code: number; message?: string }
  scope: string
}

export interface SpanCollector {
  readonly url: string
  /** In the order of their arrival. */
  readonly spans: ReceivedSpan[]
  close(): void
}

export async function startSpanCollector(): Promise<SpanCollector> {
  const spans: ReceivedSpan[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const piece of request) text += String(piece)
    for (const resource of (JSON.parse(text) as { resourceSpans: { scopeSpans: OtlpScope[] }[] }).resourceSpans) {
      for (const { scope, spans: given } of resource.scopeSpans)
        spans.push(...given.map(span => plain(span, scope.name)))
    }
    response.end('{}')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, spans, close: () => void server.close() }
}

interface OtlpScope {
  scope: { name: string }
  spans: (Omit<ReceivedSpan, 'attributes' | 'events' | 'scope'> & {
    attributes: Pair[]
    events: { name: string; attributes: Pair[] }[]
  })[]
}
type Pair = { key: string; value: Record<string, unknown> }

function plain(span: OtlpScope['spans'][number], scope: string): ReceivedSpan {
  const events = span.events.map(({ name, attributes }) => ({ name, attributes: plainAttributes(attributes) }))
  return { ...span, scope, events, attributes: plainAttributes(span.attributes) }
}

function plainAttributes(pairs: Pair[]): Record<string, unknown> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, Object.values(value)[0]]))
}
