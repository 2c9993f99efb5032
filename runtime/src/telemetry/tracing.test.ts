import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Sampler } from './sampler.ts'
import { SpanExporter } from './exporter.ts'
import { exceptionEvent, preciseNow, type Span } from './span.ts'
import { isSampled } from './trace-context.ts'
import { Tracing, type TracingSettings } from './tracing.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections()
})

interface Collector {
  url: string
  bodies: Record<string, unknown>[]
}

/** Responds with the given statuses in turn, then with 200. */
async function collector(statuses: number[] = [], limitBytes = Infinity): Promise<Collector> {
  const bodies: Record<string, unknown>[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const piece of request) text += String(piece)
    const status = statuses.shift() ?? (text.length > limitBytes ? 413 : 200)
    if (status === 200) bodies.push(JSON.parse(text) as Record<string, unknown>)
    response.writeHead(request.url === '/v1/traces' ? status : 404).end('{}')
  })
  servers.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies }
}

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const spanNamed = (name: string): Span => ({
  name,
  kind: 'server',
  context: { traceId: TRACE, spanId: 'b7ad6b7169203331', flags: 1, traceState: 'a=1' },
  startTime: 1_700_000_000_000.5,
  endTime: 1_700_000_000_001,
  attributes: {},
})

describe('the exporter', () => {
  it('sends at once what is queued when it is asked to, and what the collector refuses later', async () => {
    const { url, bodies } = await collector([200, 503])
    const exporter = new SpanExporter({ url, resource: {}, intervalMs: 3_600_000, retryMs: 1 })
    exporter.add(spanNamed('one'))
    await exporter.flush()
    expect(exporter.figures).toEqual({ sent: 1, dropped: 0 })
    exporter.add(spanNamed('two'))
    await exporter.flush()
    await vi.waitFor(() => expect(bodies).toHaveLength(2))
    await exporter.flush()
    await exporter.close()
    expect(exporter.figures).toEqual({ sent: 2, dropped: 0 })
  })

  it('sends spans as OTLP JSON', async () => {
    const { url, bodies } = await collector()
    const exporter = new SpanExporter({ url, resource: { 'service.name': 'me' } })
    exporter.add({
      ...spanNamed('one'),
      parentSpanId: '00f067aa0ba902b7',
      attributes: { text: 'é', whole: 7, part: 0.5, yes: true, list: ['a', 'b'], none: undefined },
      events: [exceptionEvent(new TypeError('no'), 1_700_000_000_000.25)],
      links: [{ context: { traceId: TRACE, spanId: '00f067aa0ba902b7' } }],
      status: { code: 'error', message: 'no' },
    })
    exporter.add({ ...spanNamed('two'), scope: { name: 'lib', version: '1' } })
    await exporter.close()
    expect(exporter.figures).toEqual({ sent: 2, dropped: 0 })
    expect(bodies).toMatchObject([
      {
        resourceSpans: [
          {
            resource: { attributes: [{ key: 'service.name', value: { stringValue: 'me' } }] },
            scopeSpans: [
              {
                scope: { name: 'ryo-faas' },
                spans: [
                  {
                    traceId: TRACE,
                    spanId: 'b7ad6b7169203331',
                    parentSpanId: '00f067aa0ba902b7',
                    traceState: 'a=1',
                    flags: 1,
                    name: 'one',
                    kind: 2,
                    startTimeUnixNano: '1700000000000500000',
                    endTimeUnixNano: '1700000000001000000',
                    attributes: [
                      { key: 'text', value: { stringValue: 'é' } },
                      { key: 'whole', value: { intValue: '7' } },
                      { key: 'part', value: { doubleValue: 0.5 } },
                      { key: 'yes', value: { boolValue: true } },
                      { key: 'list', value: { arrayValue: { values: [{ stringValue: 'a' }, { stringValue: 'b' }] } } },
                    ],
                    events: [{ name: 'exception', timeUnixNano: '1700000000000250000' }],
                    links: [{ traceId: TRACE, spanId: '00f067aa0ba902b7' }],
                    status: { code: 2, message: 'no' },
                  },
                ],
              },
              { scope: { name: 'lib', version: '1' }, spans: [{ name: 'two' }] },
            ],
          },
        ],
      },
    ])
  })

  it('retries when the collector is busy, and loses nothing', async () => {
    const { url, bodies } = await collector([503, 429])
    const exporter = new SpanExporter({ url, resource: {}, intervalMs: 0, retryMs: 0 })
    exporter.add(spanNamed('patient'))
    await vi.waitFor(() => expect(bodies).toHaveLength(1), { timeout: 10_000 })
    await exporter.close()
    expect(exporter.figures).toEqual({ sent: 1, dropped: 0 })
  })

  it('drops and counts what cannot be sent, and stays within its limit', async () => {
    const { url } = await collector(Array.from({ length: 50 }, () => 503))
    const exporter = new SpanExporter({ url, resource: {}, maxQueued: 10, intervalMs: 0, retryMs: 0 })
    for (let n = 0; n < 25; n += 1) exporter.add(spanNamed(String(n)))
    await vi.waitFor(() => expect(exporter.figures.dropped).toBe(25), { timeout: 10_000 })
    await exporter.close()
  })

  it('splits a batch that is too large, and drops only spans that are too large by themselves', async () => {
    const { url, bodies } = await collector([], 5_000)
    const exporter = new SpanExporter({ url, resource: {} })
    const large = (name: string, bytes: number) => ({ ...spanNamed(name), attributes: { text: 'x'.repeat(bytes) } })
    for (let n = 0; n < 9; n += 1) exporter.add(large(String(n), 1_500))
    exporter.add(large('ten MB', 10_000_000))
    await exporter.close()
    expect(exporter.figures).toEqual({ sent: 9, dropped: 1 })
    expect(bodies.length).toBeGreaterThan(2)
  })

  it('counts permanently refused spans as dropped, and does not resend them', async () => {
    const { url, bodies } = await collector([400])
    const exporter = new SpanExporter({ url, resource: {}, maxBatch: 1 })
    exporter.add(spanNamed('bad'))
    exporter.add(spanNamed('good'))
    await exporter.close()
    expect(exporter.figures).toEqual({ sent: 1, dropped: 1 })
    expect(bodies).toHaveLength(1)
  })

  it('does not wait at exit for a silent collector', async () => {
    const silent = createServer(() => undefined)
    servers.push(silent)
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
    const exporter = new SpanExporter({
      ...{ url: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`, resource: {} },
      ...{ maxBatch: 1, timeoutMs: 60_000, intervalMs: 0 },
    })
    for (let n = 0; n < 5; n += 1) exporter.add(spanNamed(String(n)))
    await new Promise<void>(resolve => silent.once('request', () => resolve()))
    await exporter.close()
    expect(exporter.figures).toEqual({ sent: 0, dropped: 4 })
  })

  it.each(['http://127.0.0.1:1', 'http://no such host', 'nonsense'])('a collector at %s costs nothing', async url => {
    const exporter = new SpanExporter({ url, resource: {} })
    exporter.add(spanNamed('lost'))
    await exporter.close()
    expect(exporter.figures).toEqual({ sent: 0, dropped: 1 })
  })
})

describe('what is recorded', () => {
  const settings: TracingSettings = { url: 'http://127.0.0.1:1', perSecond: 2, ratio: 0, slowMs: 1_000 }
  const tracing = (changed: Partial<TracingSettings> = {}) =>
    new Tracing({ settings: { ...settings, ...changed }, resource: {} })
  const parent = { traceId: TRACE, spanId: 'b7ad6b7169203331', traceState: 'a=1' }
  const quick = { isError: false, durationMs: 1 }

  it('a number of traces per second, and a fraction of the others', () => {
    const sampler = new Sampler({ perSecond: 3, ratio: 0 })
    const inFirst = Array.from({ length: 5 }, () => sampler.decide(10_000))
    expect(inFirst).toEqual([true, true, true, false, false])
    expect(sampler.decide(10_999)).toBe(false)
    expect(sampler.decide(11_000)).toBe(true)
    expect(new Sampler({ perSecond: 0, ratio: 1 }).decide(5)).toBe(true)
  })

  it('what the caller decides, in its trace', () => {
    const of = tracing({ perSecond: 0 })
    const sampled = of.begin({ ...parent, flags: 1 })
    expect(sampled).toMatchObject({ traceId: TRACE, flags: 1, traceState: 'a=1' })
    expect(sampled.spanId).not.toBe(parent.spanId)
    expect(of.isWorth(sampled, quick)).toBe(true)
    expect(of.isWorth(of.begin({ ...parent, flags: 0 }), quick)).toBe(false)
  })

  it('failed and slow spans even if not sampled, up to the same rate', () => {
    const of = tracing({ perSecond: 2 })
    const unsampled = { ...parent, flags: 0 }
    expect(of.isWorth(unsampled, { isError: true, durationMs: 1 })).toBe(true)
    expect(of.isWorth(unsampled, { isError: false, durationMs: 1_000 })).toBe(true)
    expect(of.isWorth(unsampled, { isError: true, durationMs: 1 })).toBe(false)
    expect(tracing({ slowMs: 0 }).isWorth(unsampled, { isError: false, durationMs: 1e9 })).toBe(false)
  })

  it('nothing without a collector, and contexts pass through', () => {
    const off = new Tracing({ settings: undefined, resource: {} })
    const given = { ...parent, flags: 1 }
    expect(off.begin(given)).toBe(given)
    expect(off.isWorth(given, { isError: true, durationMs: 1e9 })).toBe(false)
    expect(isSampled(off.begin(undefined))).toBe(false)
    off.record(spanNamed('nowhere'))
  })

  it('at wall clock time, also after the machine has slept', () => {
    expect(Math.abs(preciseNow() - Date.now())).toBeLessThan(50)
    using wall = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 3_600_000)
    expect(Math.abs(preciseNow() - wall.getMockImplementation()!())).toBeLessThan(1)
  })
})

it.each([
  ['an object without prototype', Object.create(null), 'object'],
  ['an error without a name', Object.assign(new Error('x'), { constructor: undefined }), 'object'],
  ['an error whose stack throws', Object.defineProperty(new Error('x'), 'stack', { get: fail }), 'object'],
  ['a string', 'boom', 'string'],
])('%s becomes an event of a span', (_what, thrown: unknown, type: string) => {
  expect(exceptionEvent(thrown).attributes['exception.type']).toBe(type)
})

function fail(): never {
  throw new Error('not this one')
}
