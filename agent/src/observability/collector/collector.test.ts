import { once } from 'node:events'
import http from 'node:http'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { SpanKind, SpanStatusCode, trace, context } from '@opentelemetry/api'
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as BinaryExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Credentials } from '../../access/index.ts'
import { AS_OPERATOR, TEST_KEYS } from '../../access/access-testing.ts'
import { TraceQuery } from '../../contract/index.ts'
import type { Collector } from './collector.ts'
import { otlpRequest, otlpSpan, traceId } from './testing/spans.ts'
import { Stage } from './testing/stage.ts'

const pack = promisify(gzip)

let stage: Stage
let collector: Collector
beforeEach(async () => {
  stage = new Stage()
  collector = await stage.collector()
})
afterEach(() => stage.end())

const url = () => `http://127.0.0.1:${collector.port}/v1/traces`
const JSON_TYPE = { 'content-type': 'application/json' }
const headers = AS_OPERATOR

const post = (body: string | Uint8Array, headers: Record<string, string> = JSON_TYPE) =>
  fetch(url(), { method: 'POST', headers: { ...AS_OPERATOR, ...headers }, body: body as string })

it.each<[string, () => SpanExporter]>([
  ['JSON', () => new JsonExporter({ url: url(), headers })],
  ['JSON, packed', () => new JsonExporter({ url: url(), headers, compression: 'gzip' as never })],
  ['protobuf', () => new BinaryExporter({ url: url(), headers })],
  ['protobuf, packed', () => new BinaryExporter({ url: url(), headers, compression: 'gzip' as never })],
])('accepts everything the SDK sends as %s', async (_, makeExporter) => {
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'hello', 'faas.instance': 'i1', 'host.name': 'x' }),
    spanProcessors: [new BatchSpanProcessor(makeExporter())],
  })
  const tracer = provider.getTracer('test')
  const linked = { traceId: traceId(9), spanId: '00000000000000ff', traceFlags: 1 }
  const root = tracer.startSpan('GET /x', {
    kind: SpanKind.SERVER,
    startTime: [1_772_366_400, 123_456_000],
    attributes: { 'faas.name': 'Hello', n: 3, big: 2 ** 40, ratio: 0.5, on: true, list: ['a', 'b'], none: [] },
    links: [{ context: linked, attributes: { why: 'trigger' } }],
  })
  const child = tracer.startSpan(
    'work',
    { startTime: [1_772_366_400, 125_000_000] },
    trace.setSpan(context.active(), root),
  )
  child.addEvent('log', { 'log.severity': 'info', 'log.message': 'hi' }, [1_772_366_400, 126_000_000])
  child.setStatus({ code: SpanStatusCode.ERROR, message: 'broken' })
  child.end([1_772_366_400, 130_000_000])
  root.end([1_772_366_400, 133_456_000])
  await provider.shutdown()

  const { traceId: id } = root.spanContext()
  const view = await expect
    .poll(() => collector.traces.find(id))
    .toMatchObject({ traceId: id })
    .then(() => collector.traces.find(id))
  expect(view).toMatchObject({
    name: 'GET /x',
    rootService: 'hello',
    function: 'Hello',
    startedAt: '2026-03-01T12:00:00.123Z',
    durationMs: 10,
    status: 'error',
  })
  const [first, second] = view!.spans
  expect(first).toMatchObject({ kind: 'server', startMs: 0, durationMs: 10, status: 'unset', service: 'hello' })
  expect(first!.parentSpanId).toBeUndefined()
  expect(first!.attributes).toEqual({
    ...{ 'faas.instance': 'i1', 'faas.name': 'Hello' },
    ...{ n: 3, big: 2 ** 40, ratio: 0.5, on: true, list: ['a', 'b'], none: [] },
  })
  expect(first!.links).toEqual([{ traceId: traceId(9), spanId: '00000000000000ff', attributes: { why: 'trigger' } }])
  expect(second).toMatchObject({
    ...{ name: 'work', kind: 'internal', parentSpanId: first!.spanId, status: 'error', statusMessage: 'broken' },
    events: [{ name: 'log', atMs: 2.544, attributes: { 'log.severity': 'info', 'log.message': 'hi' } }],
  })
  expect(stage.changes).toBeGreaterThan(0)
  expect(await stage.metric('traces_received_spans_total')).toBe(2)
  expect(await stage.metric('traces_kept')).toBe(1)
})

it('refuses invalid spans one by one, and accepts the rest', async () => {
  const spans = [otlpSpan(1), { ...otlpSpan(2), traceId: '00' }, null, { ...otlpSpan(3), spanId: '0'.repeat(16) }]
  const response = await post(JSON.stringify(otlpRequest(spans)))
  expect(response.status).toBe(200)
  const { partialSuccess } = (await response.json()) as { partialSuccess: Record<string, string> }
  expect(partialSuccess['rejectedSpans']).toBe('3')
  expect(partialSuccess['errorMessage']).toMatch(/traceId/)
  await expect.poll(async () => (await collector.traces.list(TraceQuery.parse({}))).traces).toHaveLength(1)
  expect(await stage.metric('traces_refused_spans_total')).toBe(3)
})

it.each([
  [
    'fields it does not know',
    { resourceSpans: [{ schemaUrl: 'x', new: 1, scopeSpans: [{ spans: [otlpSpan(1, { flags: 257, new: {} })] }] }] },
  ],
  [
    'values of every kind',
    otlpRequest([
      otlpSpan(1, {
        attributes: [
          { key: '__proto__', value: { stringValue: 'x' } },
          { key: 'map', value: { kvlistValue: { values: [{ key: 'a', value: { intValue: '1' } }] } } },
          { key: 'huge', value: { intValue: '9223372036854775807' } },
          { key: 'empty', value: {} },
          { key: 'nothing' },
        ],
      }),
    ]),
  ],
])('accepts %s', async (_, body) => {
  const response = await post(JSON.stringify(body))
  expect([response.status, await response.json()]).toEqual([200, {}])
  await expect.poll(() => collector.traces.find(traceId(1))).toBeTruthy()
  const { attributes } = (await collector.traces.find(traceId(1)))!.spans[0]!
  if (Object.keys(attributes).length === 0) return
  expect(Object.entries(attributes)).toEqual([
    ['__proto__', 'x'],
    ['map', '{"a":1}'],
    ['huge', '9223372036854775807'],
  ])
})

it('refuses what it cannot read, with a status and a message that say why', async () => {
  const large = Buffer.alloc(5 * 1024 * 1024, ' ')
  const BINARY = { 'content-type': 'application/x-protobuf' }
  const cases: [string, Promise<Response>, number, RegExp][] = [
    ['no JSON', post('{'), 400, /not application\/json/],
    ['no request', post('{"resourceSpans": 1}'), 400, /ExportTraceServiceRequest/],
    ['deep JSON', post('['.repeat(100_000)), 400, /json/],
    ['no body', post(''), 400, /body/],
    ['no gzip', post('{}', { ...JSON_TYPE, 'content-encoding': 'gzip' }), 400, /gzip/],
    ['other packing', post('{}', { ...JSON_TYPE, 'content-encoding': 'br' }), 415, /gzip/],
    ['other type', post('{}', { 'content-type': 'text/plain' }), 415, /application\/json/],
    ['too large', post(large), 413, /4194304/],
    ['too large unpacked', post(await pack(large), { ...JSON_TYPE, 'content-encoding': 'gzip' }), 413, /uncompressed/],
    ['a page', post('{}', { ...JSON_TYPE, origin: 'http://evil.example' }), 403, /web pages/],
    ['no protobuf', post('\xff\xff', BINARY), 400, /protobuf/],
    ['nothing here', fetch(`http://127.0.0.1:${collector.port}/`, { headers: AS_OPERATOR }), 404, /POST \/v1\/traces/],
  ]
  for (const [what, asked, status, text] of cases) {
    const response = await asked
    expect.soft([what, response.status]).toEqual([what, status])
    if (what === 'no protobuf') expect(response.headers.get('content-type')).toBe('application/x-protobuf')
    expect.soft(await response.text(), what).toMatch(text)
  }
  expect(await stage.metric('traces_refused_requests_total')).toBe(10)
})

it.each([
  ['127.0.0.1', 200],
  ['[::1]:1', 200],
  ['Gateway.Test', 200],
  ['evil.example', 403],
  ['evil.example:4318', 403],
])('a request for the host %s is answered with %i, whatever token it shows', async (host, status) => {
  const request = http.request(url(), { method: 'POST', headers: { ...JSON_TYPE, ...AS_OPERATOR, host } })
  request.end('{"resourceSpans":[]}')
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  response.resume()
  expect(response.statusCode).toBe(status)
})

it('a head that is too large is answered in the shape of all errors', async () => {
  const response = await fetch(url(), { headers: { 'x-long': 'x'.repeat(17_000) } })
  expect([response.status, await response.json()]).toEqual([431, { code: 3, message: 'the headers are too large' }])
})

it('accepts a large batch while serving other requests', async () => {
  const spans = Array.from({ length: 3000 }, (_, i) => otlpSpan(i + 1))
  expect((await post(JSON.stringify(otlpRequest(spans)))).status).toBe(200)
  await expect.poll(() => collector.traces.figures().traces).toBe(3000)
  const page = await collector.traces.list(TraceQuery.parse({ attribute: 'x=1' }))
  expect(page.traces).toEqual([])
})

it('listens on additional addresses, reports a taken port, and can then be started again', async () => {
  const other = await stage.collector({
    extraHosts: ['127.0.0.2', '127.0.0.1'].map(host => ({ host, peers: ['127.0.0.0/8'] })),
    registry: new Registry(),
  })
  const address = `http://127.0.0.2:${other.port}/v1/traces`
  expect((await fetch(address, { method: 'POST', headers: { ...JSON_TYPE, ...AS_OPERATOR }, body: '{}' })).status).toBe(
    200,
  )
  const registry = new Registry()
  await expect(stage.collector({ port: other.port, registry })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  await stage.collector({ registry })
  expect(await registry.metrics()).toMatch(/^traces_kept 0$/m)
})

describe('who may send', () => {
  const credentials = new Credentials(TEST_KEYS)
  const asFunction = (route: string) => ({
    ...JSON_TYPE,
    authorization: `Bearer ${credentials.functionToken({ route })}`,
  })

  it.each([
    ['no token', ''],
    ['a wrong one', `Bearer ${'x'.repeat(32)}`],
    ['the key of functions itself', `Bearer ${TEST_KEYS.functions}`],
  ])('is refused with %s, and nothing is stored', async (_, authorization) => {
    const response = await post(JSON.stringify(otlpRequest([otlpSpan(1)])), { ...JSON_TYPE, authorization })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer /)
    expect(await stage.metric('traces_received_spans_total')).toBe(0)
  })

  it('a function sends its own spans, whatever the case of its name', async () => {
    const response = await post(JSON.stringify(otlpRequest([otlpSpan(1)], 'Hello')), asFunction('hello'))
    expect([response.status, await response.json()]).toEqual([200, {}])
    await expect.poll(() => collector.traces.find(traceId(1))).toBeTruthy()
  })

  it('a function cannot speak for another, nor for a part of the platform', async () => {
    for (const service of ['audit', 'ryo-faas-proxy', 'unknown_service']) {
      const response = await post(JSON.stringify(otlpRequest([otlpSpan(1)], service)), asFunction('hello'))
      expect(response.status, service).toBe(403)
    }
    expect(await stage.metric('traces_received_spans_total')).toBe(0)
  })

  it('a function that floods the collector pushes out no other traces', async () => {
    const small = await stage.collector({ registry: new Registry(), bounds: { maxTraces: 20 } })
    const send = (service: string, first: number, count: number) =>
      fetch(`http://127.0.0.1:${small.port}/v1/traces`, {
        method: 'POST',
        headers: asFunction(service),
        body: JSON.stringify(
          otlpRequest(
            Array.from({ length: count }, (_, i) => otlpSpan(first + i)),
            service,
          ),
        ),
      })
    await send('audit', 1, 5)
    await send('flood', 100, 500)
    await expect.poll(() => small.traces.find(traceId(599))).toBeTruthy()
    for (let trace = 1; trace <= 5; trace++) expect(await small.traces.find(traceId(trace)), `${trace}`).toBeTruthy()
    expect(small.traces.figures().traces).toBe(20)
  })
})
