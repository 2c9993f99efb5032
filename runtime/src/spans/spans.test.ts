/** A real handler with a real collector: the spans of an invocation, and its own ones. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as api from '@opentelemetry/api'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { WebHandler } from '../handlers.ts'
import { context } from '../context.ts'
import { DELIVERED, send, serveWeb } from '../testing/serve-handler.ts'
import { startSpanCollector, type ReceivedSpan, type SpanCollector } from '../testing/span-collector.ts'
import { bridgeOpenTelemetry } from './otel-bridge.ts'
import { traceConsole } from './traced-console.ts'
import { tracedFetch } from './traced-fetch.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'
/** Requests received by the server that handlers call. */
const called: Record<string, unknown>[] = []
let collector: SpanCollector
let other: Server
const portOf = (server: Server) => (server.address() as AddressInfo).port

beforeAll(async () => {
  collector = await startSpanCollector()
  other = createServer((request, response) => {
    called.push(request.headers)
    response.writeHead(request.url === '/broken' ? 503 : 200).end()
  })
  await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
})
afterAll(() => {
  collector.close()
  other.close()
})
afterEach(() => {
  collector.spans.length = 0
  called.length = 0
})

/** Serves it for one request; resolves when its spans have arrived. */
async function run(handler: WebHandler, headers: Record<string, string> = {}, expected = 1): Promise<ReceivedSpan[]> {
  const { url, spans } = collector
  const traces = { url, perSecond: 10, ratio: 0, slowMs: 0 }
  {
    // Closing it sends what is left.
    await using served = await serveWeb(handler, { traces, instance: 'i7' })
    await send(served.port, { path: '/a?secret=1', headers: { traceparent: `00-${TRACE}-${PARENT}-01`, ...headers } })
  }
  await vi.waitFor(() => expect(spans.length).toBeGreaterThanOrEqual(expected), { timeout: 5_000 })
  return spans
}

const named = (name: string) => collector.spans.find(span => span.name === name)!

describe('the span of an invocation', () => {
  it('says what ran, who called, and that it is the first of its instance', async () => {
    await run(() => new Response('x', { status: 201 }), { tracestate: 'a=1', 'x-request-id': 'r1' })
    expect(named('Tested')).toMatchObject({
      kind: 2,
      traceId: TRACE,
      parentSpanId: PARENT,
      traceState: 'a=1',
      status: { code: 0 },
      attributes: {
        'faas.name': 'Tested',
        'faas.version': '3',
        'faas.instance': 'i7',
        'faas.trigger': 'http',
        'faas.coldstart': true,
        'http.request.method': 'GET',
        'http.response.status_code': '201',
        'url.path': '/a',
        'ryo_faas.request_id': 'r1',
      },
    })
    expect(JSON.stringify(collector.spans)).not.toContain('secret')
  })

  it('knows calls and their attempts', async () => {
    await run(() => new Response(), { 'x-call-id': 'c1', 'x-call-attempt': '2', ...DELIVERED })
    expect(named('Tested').attributes).toMatchObject({
      'faas.trigger': 'pubsub',
      'faas.invocation_id': 'c1',
      'ryo_faas.call.attempt': '2',
    })
  })

  it('contains the exception of a failure, also if the trace is not sampled', async () => {
    using _error = vi.spyOn(console, 'error').mockImplementation(() => {})
    const fail = () => Promise.reject(new RangeError('too far'))
    await run(fail, { traceparent: `00-${TRACE}-${PARENT}-00` })
    expect(named('Tested')).toMatchObject({
      status: { code: 2 },
      attributes: { 'error.type': 'FUNCTION_ERROR', 'http.response.status_code': '500' },
      events: [
        {
          name: 'exception',
          attributes: {
            'exception.type': 'RangeError',
            'exception.message': 'too far',
            'exception.stacktrace': expect.stringContaining('spans.test.ts'),
          },
        },
      ],
    })
  })

  it('contains what was printed, up to a limit', async () => {
    const quiet = { debug() {}, info() {}, log() {}, warn() {}, error() {} } as unknown as Console
    traceConsole(quiet)
    await run(() => {
      quiet.log('paid %d', 5)
      for (let n = 0; n < 200; n += 1) quiet.warn('again')
      return new Response()
    })
    const { events, attributes } = named('Tested')
    expect(events[0]).toMatchObject({ name: 'log', attributes: { 'log.severity': 'info', 'log.message': 'paid 5' } })
    expect(events[1]).toMatchObject({ attributes: { 'log.severity': 'warn' } })
    expect(events).toHaveLength(128)
    expect(attributes['ryo_faas.dropped_events']).toBe('73')
  })
})

describe('fetch within an invocation', () => {
  it('is a span, and propagates the trace', async () => {
    await run(
      async () => {
        await tracedFetch(`http://user:word@127.0.0.1:${portOf(other)}/there?key=1`.replace('user:word@', ''))
        return new Response()
      },
      { tracestate: 'a=1', baggage: 'k=v' },
      2,
    )
    const client = named('GET')
    expect(client).toMatchObject({ kind: 3, traceId: TRACE, parentSpanId: named('Tested').spanId })
    expect(client.attributes).toMatchObject({
      'url.full': `http://127.0.0.1:${portOf(other)}/there`,
      'http.response.status_code': '200',
    })
    expect(called[0]).toMatchObject({
      traceparent: `00-${TRACE}-${client.spanId}-01`,
      tracestate: 'a=1',
      baggage: 'k=v',
    })
  })

  it('distinguishes failures, and keeps a traceparent set by the user', async () => {
    const mine = `00-${TRACE}-${'1'.repeat(16)}-00`
    await run(
      async () => {
        await tracedFetch(`http://127.0.0.1:${portOf(other)}/broken`, { method: 'POST' })
        await tracedFetch('http://127.0.0.1:1/').catch(() => undefined)
        await tracedFetch(`http://127.0.0.1:${portOf(other)}/`, { headers: { traceparent: mine } })
        return new Response()
      },
      {},
      3,
    )
    expect(named('POST')).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': '503' } })
    expect(named('GET')).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': 'TypeError' } })
    expect(called[1]).toMatchObject({ traceparent: mine })
    expect(collector.spans).toHaveLength(3)
  })
})

describe("spans by OpenTelemetry's API", () => {
  beforeAll(() => bridgeOpenTelemetry(api))
  const tracer = api.trace.getTracer('mine', '1.0')

  it('are children of the invocation and of each other, and parents of outgoing calls', async () => {
    await run(
      () =>
        tracer.startActiveSpan('outer', { kind: api.SpanKind.PRODUCER, attributes: { n: 1 } }, async outer => {
          const inner = tracer.startSpan('inner', { links: [{ context: outer.spanContext() }] })
          inner.addEvent('happened', { well: true })
          inner.recordException(new Error('but'))
          inner.setStatus({ code: api.SpanStatusCode.ERROR, message: 'bad' })
          inner.end()
          inner.setAttribute('late', true)
          inner.end()
          await Promise.resolve()
          await tracedFetch(`http://127.0.0.1:${portOf(other)}/`)
          outer.end()
          return new Response()
        }),
      {},
      4,
    )
    const [outer, inner] = [named('outer'), named('inner')]
    expect(outer).toMatchObject({
      kind: 4,
      scope: 'mine',
      parentSpanId: named('Tested').spanId,
      attributes: { n: '1' },
    })
    expect(inner).toMatchObject({
      kind: 1,
      traceId: TRACE,
      parentSpanId: outer.spanId,
      status: { code: 2, message: 'bad' },
      links: [{ spanId: outer.spanId }],
      events: [{ name: 'happened', attributes: { well: true } }, { name: 'exception' }],
      attributes: {},
    })
    expect(named('GET').parentSpanId).toBe(outer.spanId)
    expect(collector.spans).toHaveLength(4)
  })

  it('show the invocation as the active span, which accepts attributes, events and an error', async () => {
    await run(() => {
      const active = api.trace.getActiveSpan()!
      active.setAttribute('mine', 'yes').addEvent('seen').setStatus({ code: api.SpanStatusCode.ERROR })
      active.end()
      return new Response(String(active.spanContext().traceId === context().traceId))
    })
    expect(named('Tested')).toMatchObject({
      status: { code: 2 },
      attributes: { mine: 'yes' },
      events: [{ name: 'seen' }],
    })
  })

  it('pass baggage on, changed or not, and read and write it elsewhere', async () => {
    const carrier: Record<string, string> = {}
    await run(
      async () => {
        const { propagation } = api
        const baggage = propagation.getActiveBaggage()!.setEntry('more', { value: 'ä,b' })
        const inner = propagation.setBaggage(api.context.active(), baggage)
        await api.context.with(inner, () => tracedFetch(`http://127.0.0.1:${portOf(other)}/`))
        propagation.inject(inner, carrier)
        return new Response()
      },
      { baggage: 'user=a%20b;ttl=1, broken, =x, y=%' },
      2,
    )
    expect(called[0]!['baggage']).toBe('user=a%20b;ttl=1,more=%C3%A4%2Cb')
    expect(carrier).toMatchObject({ baggage: called[0]!['baggage'], traceparent: expect.stringContaining(TRACE) })
    const extracted = api.propagation.extract(api.ROOT_CONTEXT, carrier)
    expect(api.trace.getSpanContext(extracted)).toMatchObject({ traceId: TRACE, isRemote: true })
    expect(api.propagation.getBaggage(extracted)!.getEntry('user')!.value).toBe('a b')
  })

  it('do nothing outside an invocation, and never mix two of them', async () => {
    tracer.startSpan('outside').end()
    await run(() => new Response())
    expect(collector.spans.map(({ name }) => name)).toEqual(['Tested'])
    expect(api.trace.getActiveSpan()).toBeUndefined()
  })
})
