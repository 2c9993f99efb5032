import { afterEach, beforeEach, expect, it, test } from 'vitest'
import { Credentials } from '../../../access/index.ts'
import { FunctionMetrics } from './function-metrics.ts'
import { createGate, OWN_DOORS, Requester } from '../access/gate.ts'
import { AS_OPERATOR, TEST_KEYS } from '../../../access/access-testing.ts'
import { call, Stage } from '../proxy-testing.ts'
import type { Proxy } from '../proxy.ts'
import { summarize } from './summary.ts'

let stage: Stage
let proxy: Proxy

beforeEach(async () => {
  stage = new Stage()
  proxy = await stage.proxy({ readyTimeoutMs: 0 })
})
afterEach(() => stage.end())

it('/metrics shows every figure of known functions, and only of those', async () => {
  const instance = await stage.http((request, response) => {
    response.statusCode = request.url === '/bad' ? 500 : 200
    response.end()
  })
  await stage.serve(proxy, [instance], { displayName: 'HelloWorld' })
  await call(proxy, '/functions/fn')
  await call(proxy, '/functions/FN')
  await call(proxy, '/functions/fn/bad')
  await call(proxy, '/functions/none')
  await stage.serve(proxy, [], { displayName: 'HelloWorld' })
  await call(proxy, '/functions/fn')
  const { body, headers } = await call(proxy, '/metrics')
  const labels = 'faas_name="HelloWorld",faas_trigger="http"'
  expect(headers['content-type']).toContain('text/plain')
  for (const line of [
    `faas_invocations_total{${labels},http_response_status_class="2xx"} 2`,
    `faas_invocations_total{${labels},http_response_status_class="5xx"} 2`,
    `faas_errors_total{${labels},error_code="FUNCTION_5XX"} 1`,
    `faas_errors_total{${labels},error_code="FUNCTION_UNAVAILABLE"} 1`,
    `faas_timeouts_total{${labels}} 0`,
    `faas_inflight_invocations{${labels}} 0`,
    `faas_invoke_duration_seconds_bucket{${labels},le="+Inf"} 4`,
    `faas_invoke_duration_seconds_count{${labels}} 4`,
    'process_cpu_seconds_total',
  ]) {
    expect(body).toContain(line)
  }
  expect(body).not.toContain('none')
})

it('/metrics in OpenMetrics shows a trace that stands for the calls of a bucket', async () => {
  const traces = { url: 'http://127.0.0.1:1', perSecond: 0, ratio: 0, slowMs: 0 }
  const traced = await stage.proxy({ readyTimeoutMs: 0, traces })
  const instance = await stage.http((_request, response) => void response.end())
  await stage.serve(traced, [instance], { displayName: 'HelloWorld' })
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  await call(traced, '/functions/fn', { headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` } })
  await call(traced, '/functions/fn')
  const { body, headers } = await call(traced, '/metrics', { headers: { accept: 'application/openmetrics-text' } })
  expect(headers['content-type']).toContain('application/openmetrics-text')
  expect(body).toMatch(
    /faas_invoke_duration_seconds_bucket\{[^}]*\} \d # \{trace_id="4bf92f35[0-9a-f]*"\} [\d.e-]+ \d+/,
  )
  expect(body.match(/trace_id=/g)).toHaveLength(1)
  expect(body).toContain('# TYPE faas_invocations counter\n')
  expect(body).toMatch(/faas_invocations_total\{[^}]*\} 2\n/)
  expect(body.endsWith('# EOF\n')).toBe(true)
})

it('a summary adds up workers and finds percentiles within 10 %', () => {
  const workers = [new FunctionMetrics(), new FunctionMetrics()]
  for (let i = 1; i <= 1000; i += 1) workers[i % 2]!.record(200, i / 10, undefined)
  workers[0]!.record(504, 5_000, 'FUNCTION_TIMEOUT')
  workers[1]!.record(0, 1, 'CLIENT_ABORTED')
  const [stats] = summarize(workers.map(worker => [worker.snapshot('fn', 'Fn')]))
  expect(stats).toMatchObject({ name: 'fn', calls: 1002, errors: 1, inflight: 0 })
  expect(stats!.p50Ms! / 50).toBeCloseTo(1, 0)
  expect(stats!.p95Ms! / 95).toBeGreaterThan(0.9)
  expect(stats!.p95Ms! / 95).toBeLessThan(1.1)
  expect(Date.parse(stats!.lastErrorAt!)).toBeGreaterThan(0)
  expect(summarize([[new FunctionMetrics().snapshot('fn', 'Fn')]])[0]).toMatchObject({ calls: 0, p50Ms: null })
})

it('/metrics is shown to programs on this machine by an address, to no page, and to the operator', async () => {
  const { port } = proxy.address
  const statusFor = async (headers: Record<string, string>) => (await call(proxy, '/metrics', { headers })).status
  expect(await statusFor({ host: `localhost:${port}` })).toBe(200)
  expect(await statusFor({ host: 'evil.example' })).toBe(403)
  expect(await statusFor({ origin: 'http://evil.example' })).toBe(403)
  expect(await statusFor({ 'sec-fetch-site': 'cross-site' })).toBe(403)
})

test.each([
  ['127.0.0.1', {}, undefined],
  ['::1', {}, undefined],
  ['::ffff:127.0.0.1', {}, undefined],
  ['192.0.2.7', {}, 'UNAUTHORIZED'],
  ['::ffff:192.0.2.7', {}, 'UNAUTHORIZED'],
  ['192.0.2.7', AS_OPERATOR, undefined],
])('from %s, with %j, /metrics is refused by %s', (remoteAddress, headers, code) => {
  const request = { headers: { host: '127.0.0.1', ...headers }, socket: { remoteAddress } }
  expect(createGate()(new Requester(request, new Credentials(TEST_KEYS)), OWN_DOORS.metrics)).toMatchObject(
    code === undefined ? { kind: 'pass' } : { kind: 'refuse', code },
  )
})
