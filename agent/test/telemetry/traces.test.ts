/** Traces in a whole platform: sent to its collector, read from its agent. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { otlpRequest, otlpSpan, traceId } from '../../src/observability/collector/testing/spans.ts'
import { readState, sendSpans } from './collector-client.ts'
import { TestPlatform } from '../support/platform.ts'
import { until } from '../support/until.ts'

let platform: TestPlatform
beforeAll(async () => {
  platform = await TestPlatform.make()
  await platform.start('process')
})
afterAll(() => platform.remove())

const traces = async () => (await (await platform.client()).call('traces', { query: {} })).traces

test('what is sent to the collector can be read from the agent, which emits an event', async () => {
  const client = await platform.client()
  const abort = new AbortController()
  const types: string[] = []
  const following = (async () => {
    for await (const { type } of client.stream('events', {}, abort.signal)) types.push(type)
  })().catch(() => undefined)
  await until(async () => types.includes('hello') || undefined)
  const attributes = [{ key: 'faas.name', value: { stringValue: 'Hello' } }]
  await sendSpans(platform.home, otlpRequest([otlpSpan(1, { attributes })]))
  await until(async () => types.includes('traces-changed') || undefined)
  abort.abort()
  await following
  expect(await traces()).toMatchObject([{ traceId: traceId(1), function: 'Hello', durationMs: 25, status: 'ok' }])
  const view = await client.call('trace', { params: { id: traceId(1) } })
  expect(view.spans).toMatchObject([{ name: 'otlp', kind: 'server', service: 'hello', startMs: 0 }])
  await expect(client.call('trace', { params: { id: 'ffff' } })).rejects.toMatchObject({ code: 'TRACE_NOT_FOUND' })
  await expect(client.call('traces', { query: { attribute: 'x' } })).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
})

test('a killed agent comes back with its traces, on the port that functions send to', async () => {
  const { ports } = await readState(platform.home)
  const { parts } = await platform.view()
  process.kill(parts[0]!.pid!, 'SIGKILL')
  await until(async () => {
    const view = await platform.view().catch(() => undefined)
    return view?.phase.kind === 'ready' && view.parts[0]!.pid !== parts[0]!.pid ? view : undefined
  })
  expect((await readState(platform.home)).ports['collector']).toBe(ports['collector'])
  expect(await traces()).toHaveLength(1)
  await sendSpans(platform.home, otlpRequest([otlpSpan(2)]))
  await until(async () => ((await traces()).length === 2 ? true : undefined))
})

test('the command line lists them, and shows one by a prefix of its id', async () => {
  const listed = JSON.parse(
    await platform.ok(['traces', '--json', '--function', 'hello', '--since', '2026-01-01T00:00:00Z']),
  )
  expect(listed.traces).toMatchObject([{ traceId: traceId(1) }])
  expect(await platform.ok(['traces'])).toMatch(
    /TRACE +STARTED +FUNCTION[^]*a00000000000 +2026-03-01T12:00:00.000Z +Hello/,
  )
  const shown = await platform.ok(['traces', 'show', traceId(1).slice(0, 31) + '1', '--attributes'])
  expect(shown).toMatch(/otlp {2}ok {2}25 ms[^]*otlp +hello +25 ms ━+\n +faas.name=Hello/)
  expect(JSON.parse(await platform.ok(['traces', 'show', '--slowest', '--json'])).spans).toHaveLength(1)
  expect(await platform.ok(['traces', '--status', 'error'])).toBe('No traces match.\n')
  for (const [args, said] of [
    [['traces', 'show', 'ffffffff'], /TRACE_NOT_FOUND/],
    [['traces', '--since', 'yesterday'], /10m/],
    [['traces', '--attribute', 'x'], /key=value/],
  ] as const) {
    const { code, stderr } = await platform.cli([...args])
    expect([code, stderr]).toEqual([1, expect.stringMatching(said)])
  }
})
