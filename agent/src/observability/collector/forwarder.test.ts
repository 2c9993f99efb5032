import { afterEach, beforeEach, expect, it } from 'vitest'
import { AS_OPERATOR } from '../../access/access-testing.ts'
import { forwardTarget } from './forwarder.ts'
import { otlpRequest, otlpSpan, traceId } from './testing/spans.ts'
import { receiver, Stage } from './testing/stage.ts'

let stage: Stage
beforeEach(() => {
  stage = new Stage()
})
afterEach(() => stage.end())

const BODY = JSON.stringify(otlpRequest([otlpSpan(1), otlpSpan(2)]), null, 1)

const post = (port: number, headers: Record<string, string> = {}) =>
  fetch(`http://127.0.0.1:${port}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...AS_OPERATOR, ...headers },
    body: BODY,
  })

it('forwards spans unchanged, with the configured headers', async () => {
  const target = await receiver(stage, [200])
  const { port } = await stage.collector({
    environment: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `${target.url}/base/`,
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=a%20b, X-Team=faas',
    },
  })
  await post(port)
  await expect.poll(() => stage.metric('traces_forwarded_spans_total')).toBe(2)
  const [request] = target.requests
  expect(request!.path).toBe('/base/v1/traces')
  expect(request!.body.toString()).toBe(BODY)
  expect(request!.headers).toMatchObject({ 'content-type': 'application/json', 'api-key': 'a b', 'x-team': 'faas' })
})

it('retries after temporary errors', async () => {
  const target = await receiver(stage, [503, 503, 200])
  const { port } = await stage.collector({ environment: { OTEL_EXPORTER_OTLP_ENDPOINT: target.url } })
  await post(port)
  await expect.poll(() => stage.metric('traces_forwarded_spans_total')).toBe(2)
  expect(target.requests).toHaveLength(3)
  expect(await stage.metric('traces_forward_queue_bytes')).toBe(0)
})

it('drops what was refused for good, and continues with the next', async () => {
  const target = await receiver(stage, [400, 200])
  const { port } = await stage.collector({ environment: { OTEL_EXPORTER_OTLP_ENDPOINT: target.url } })
  await post(port)
  await post(port)
  await expect.poll(() => stage.metric('traces_forwarded_spans_total')).toBe(2)
  expect(await stage.metric('traces_forward_dropped_spans_total{reason="refused"}')).toBe(2)
})

it('keeps working when the receiver is down: the queue is bounded, the rest is dropped and counted', async () => {
  const target = await receiver(stage, [503])
  const collector = await stage.collector({
    environment: { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${target.url}/v1/traces` },
    forward: { maxQueueBytes: BODY.length * 3, giveUpMs: 60_000 },
  })
  for (let i = 0; i < 10; i++) expect((await post(collector.port)).status).toBe(200)
  expect(await stage.metric('traces_forward_dropped_spans_total{reason="full"}')).toBe(14)
  expect(await stage.metric('traces_forward_queue_bytes')).toBe(BODY.length * 3)
  await expect.poll(() => collector.traces.find(traceId(2))).toBeTruthy()
})

it('gives up on a batch after too long', async () => {
  const { port } = await stage.collector({
    // Nothing listens there.
    environment: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' },
    forward: { maxQueueBytes: 1e6, giveUpMs: 100 },
  })
  await post(port)
  await expect.poll(() => stage.metric('traces_forward_dropped_spans_total{reason="unreachable"}')).toBe(2)
})

it('does not loop when it is its own target', async () => {
  const target = await receiver(stage, [200])
  const { port } = await stage.collector({ environment: { OTEL_EXPORTER_OTLP_ENDPOINT: target.url } })
  await post(port)
  await expect.poll(() => target.requests.length).toBe(1)
  const { 'x-ryo-faas-forwarded': mark } = target.requests[0]!.headers
  await post(port, { 'x-ryo-faas-forwarded': String(mark) })
  await expect.poll(() => stage.metric('traces_received_spans_total')).toBe(4)
  await expect.poll(() => stage.metric('traces_forward_queue_bytes')).toBe(0)
  expect(target.requests).toHaveLength(1)
})

it('reads the target from the variables of OpenTelemetry', () => {
  expect(forwardTarget({})).toBeUndefined()
  expect(forwardTarget({ OTEL_EXPORTER_OTLP_ENDPOINT: ' ' })).toBeUndefined()
  expect(
    forwardTarget({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://all:4318',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces/in',
      OTEL_EXPORTER_OTLP_HEADERS: 'a=1,b=100%',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'a=2',
    }),
  ).toEqual({ url: 'https://traces/in', headers: { a: '2', b: '100%' } })
  expect(() => forwardTarget({ OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318' })).toThrow(/OTEL_EXPORTER_OTLP_ENDPOINT/)
})
