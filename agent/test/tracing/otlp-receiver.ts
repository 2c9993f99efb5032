/** An external collector for `OTEL_EXPORTER_OTLP_ENDPOINT`: keeps what it receives, or never responds. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { until } from '../support/until.ts'

export interface ReceivedSpan {
  name: string
  service: string
  /** `SpanKind` of the OTLP: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number
  traceId: string
  spanId: string
  parentSpanId?: string
  attributes: Record<string, unknown>
  links: { traceId: string; spanId: string }[]
  status: { code: number }
}

interface Pair {
  key: string
  value: Record<string, unknown>
}

interface Request {
  resourceSpans: {
    resource: { attributes: Pair[] }
    scopeSpans: { spans: (Omit<ReceivedSpan, 'attributes' | 'service'> & { attributes: Pair[] })[] }[]
  }[]
}

export class OtlpReceiver {
  readonly spans: ReceivedSpan[] = []
  requests = 0
  #server: Server | undefined

  /** @param answers false: it accepts connections and never responds */
  static async start({ answers = true } = {}): Promise<OtlpReceiver> {
    const receiver = new OtlpReceiver()
    const server = createServer(async (request, response) => {
      receiver.requests += 1
      let text = ''
      for await (const piece of request) text += String(piece)
      if (!answers) return
      receiver.#keep(JSON.parse(text) as Request)
      response.setHeader('content-type', 'application/json').end('{}')
    })
    receiver.#server = server
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return receiver
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server!.address() as AddressInfo).port}`
  }

  /** Resolves to the spans of a trace once there are this many: they come from several processes, in any order. */
  trace(traceId: string, count: number): Promise<ReceivedSpan[]> {
    return until(async () => {
      const spans = this.spans.filter(span => span.traceId === traceId)
      return spans.length >= count ? spans : undefined
    })
  }

  close(): void {
    this.#server!.close()
    this.#server!.closeAllConnections()
  }

  #keep({ resourceSpans }: Request): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = String(plain(resource.attributes)['service.name'])
      for (const { spans } of scopeSpans) {
        for (const span of spans) {
          this.spans.push({ ...span, service, links: span.links ?? [], attributes: plain(span.attributes) })
        }
      }
    }
  }
}

function plain(pairs: Pair[] = []): Record<string, unknown> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, Object.values(value)[0]]))
}
