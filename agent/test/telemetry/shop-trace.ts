/**
 * The spans of a call as a whole platform sends them, as OTLP JSON: a payment queues an invoice, which needs two
 * attempts.
 */
import { randomBytes } from 'node:crypto'

interface Made {
  name: string
  service: string
  /** SpanKind of the protocol: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number
  /** Milliseconds after the start of the trace. */
  from: number
  ms: number
  parent?: Made
  attributes?: Record<string, string | number | boolean>
  error?: string
  events?: { name: string; at: number; attributes: Record<string, string> }[]
  id?: string
}

export interface ShopTrace {
  traceId: string
  request: object
}

const STACK = `TypeError: Cannot read properties of undefined (reading 'amount')
    at charge (shop/invoice.ts:14:27)
    at Invoice (shop/invoice.ts:31:9)
    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)`

export function shopTrace({ startMs = Date.now() - 900, scale = 1 } = {}): ShopTrace {
  const traceId = randomBytes(16).toString('hex')
  const callId = '01M86ZNEVB30Z5FYFMY2QWMTFX-invoice'
  const proxy = 'ryo-faas-proxy'
  const http = { 'http.request.method': 'POST', 'url.path': '/functions/pay', 'http.response.status_code': 200 }
  const root: Made = {
    name: 'POST /functions/pay',
    service: proxy,
    kind: 2,
    from: 0,
    ms: 182,
    attributes: { ...http, 'faas.name': 'Pay', 'faas.trigger': 'http' },
  }
  const pay: Made = {
    name: 'Pay',
    service: 'Pay',
    kind: 2,
    from: 2,
    ms: 178,
    parent: root,
    attributes: {
      'faas.name': 'Pay',
      'faas.trigger': 'http',
      'faas.coldstart': true,
      'faas.version': '3',
      'faas.instance': 'k3v9x2',
    },
    events: [
      { name: 'log', at: 9, attributes: { 'log.severity': 'info', 'log.message': 'payment of 12.50 for customer 7' } },
      {
        name: 'log',
        at: 150,
        attributes: { 'log.severity': 'warn', 'log.message': 'the customer has no e-mail address' },
      },
    ],
  }
  const create: Made = {
    name: 'create payments',
    service: 'Pay',
    kind: 3,
    from: 12,
    ms: 41,
    parent: pay,
    attributes: { 'db.system.name': 'ryo-faas', 'db.operation.name': 'create', 'db.collection.name': 'payments' },
  }
  const stored: Made = {
    name: 'POST /tables/:table/docs',
    service: 'ryo-faas-store',
    kind: 2,
    from: 16,
    ms: 33,
    parent: create,
    attributes: { 'http.response.status_code': 201 },
  }
  const check: Made = { name: 'check balance', service: 'Pay', kind: 1, from: 60, ms: 74, parent: pay }
  const send: Made = {
    name: 'publish invoice',
    service: proxy,
    kind: 4,
    from: 145,
    ms: 22,
    parent: pay,
    attributes: { 'messaging.system': 'nats', 'messaging.message.id': callId, 'faas.invocation_id': callId },
  }
  const asked = {
    'faas.invocation_id': callId,
    'messaging.system': 'nats',
    'faas.name': 'Invoice',
    'faas.trigger': 'pubsub',
  }
  const first: Made = {
    name: 'process invoice attempt 1',
    service: 'ryo-faas-dispatcher',
    kind: 5,
    from: 190,
    ms: 120,
    parent: send,
    attributes: { ...asked, 'error.type': '500' },
    error: '500 FUNCTION_ERROR',
  }
  const failed: Made = {
    name: 'Invoice',
    service: 'Invoice',
    kind: 2,
    from: 198,
    ms: 104,
    parent: first,
    attributes: { 'faas.name': 'Invoice', 'faas.invocation_id': callId, 'error.type': 'TypeError' },
    error: 'TypeError',
    events: [
      { name: 'log', at: 215, attributes: { 'log.severity': 'info', 'log.message': 'attempt 1 of 5' } },
      {
        name: 'exception',
        at: 296,
        attributes: {
          'exception.type': 'TypeError',
          'exception.message': "Cannot read properties of undefined (reading 'amount')",
          'exception.stacktrace': STACK,
        },
      },
    ],
  }
  const second: Made = {
    name: 'process invoice attempt 2',
    service: 'ryo-faas-dispatcher',
    kind: 5,
    from: 560,
    ms: 140,
    parent: send,
    attributes: asked,
  }
  const worked: Made = {
    name: 'Invoice',
    service: 'Invoice',
    kind: 2,
    from: 566,
    ms: 128,
    parent: second,
    attributes: { 'faas.name': 'Invoice', 'faas.invocation_id': callId },
  }
  const query: Made = { name: 'query payments', service: 'Invoice', kind: 3, from: 575, ms: 30, parent: worked }
  const write: Made = { name: 'create invoices', service: 'Invoice', kind: 3, from: 620, ms: 60, parent: worked }
  const callback: Made = {
    name: 'POST callback',
    service: 'ryo-faas-dispatcher',
    kind: 3,
    from: 710,
    ms: 55,
    parent: second,
    attributes: { 'server.address': 'shop.example', 'http.response.status_code': 204 },
  }
  const spans = [root, pay, create, stored, check, send, first, failed, second, worked, query, write, callback]
  return { traceId, request: toRequest(spans, { traceId, startMs, scale }) }
}

/** One successful call, and nothing else. */
export function plainTrace({ name = 'HelloWorld', startMs = Date.now(), ms = 4, isError = false } = {}): ShopTrace {
  const traceId = randomBytes(16).toString('hex')
  const root: Made = {
    name: `GET /functions/${name.toLowerCase()}`,
    service: 'ryo-faas-proxy',
    kind: 2,
    from: 0,
    ms,
    attributes: { 'faas.name': name, 'http.response.status_code': isError ? 500 : 200 },
    ...(isError && { error: '500' }),
  }
  const run: Made = {
    name,
    service: name,
    kind: 2,
    from: ms * 0.1,
    ms: ms * 0.8,
    parent: root,
    attributes: { 'faas.name': name },
  }
  return { traceId, request: toRequest([root, run], { traceId, startMs, scale: 1 }) }
}

function toRequest(spans: Made[], at: { traceId: string; startMs: number; scale: number }): object {
  const nano = (ms: number) => `${Math.round((at.startMs + ms * at.scale) * 1000)}000`
  for (const span of spans) span.id = randomBytes(8).toString('hex')
  const services = [...new Set(spans.map(({ service }) => service))]
  return {
    resourceSpans: services.map(service => ({
      resource: { attributes: attributesOf({ 'service.name': service }) },
      scopeSpans: [
        {
          spans: spans
            .filter(span => span.service === service)
            .map(span => ({
              traceId: at.traceId,
              spanId: span.id,
              parentSpanId: span.parent?.id ?? '',
              name: span.name,
              kind: span.kind,
              startTimeUnixNano: nano(span.from),
              endTimeUnixNano: nano(span.from + span.ms),
              attributes: attributesOf(span.attributes ?? {}),
              events: (span.events ?? []).map(event => ({
                name: event.name,
                timeUnixNano: nano(event.at),
                attributes: attributesOf(event.attributes),
              })),
              status: span.error === undefined ? {} : { code: 2, message: span.error },
            })),
        },
      ],
    })),
  }
}

function attributesOf(values: Record<string, string | number | boolean>): object[] {
  return Object.entries(values).map(([key, value]) => ({
    key,
    value:
      typeof value === 'string'
        ? { stringValue: value }
        : typeof value === 'number'
          ? { intValue: String(value) }
          : { boolValue: value },
  }))
}
