/**
 * Metrics of a whole platform: each part's own, all in one scrape, and their history. And its traces: sent to the collector,
 * read from the agent.
 */
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readAgentFile } from '../../src/client/index.ts'
import type { PlatformView } from '../../src/contract/index.ts'
import { otlpRequest, otlpSpan, traceId } from '../../src/observability/collector/testing/spans.ts'
import { parseExposition, type Family } from '../../src/observability/metrics/exposition.ts'
import { BIN, TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { readState, sendSpans } from './collector-client.ts'
import { promtool } from './promtool.ts'

const METRICS_PAGE = new URL('../../../docs/reference/metrics.md', import.meta.url)
const MONITORING = fileURLToPath(new URL('../../monitoring/', import.meta.url))

let platform: TestPlatform
let view: PlatformView
beforeAll(async () => {
  platform = await TestPlatform.make()
  view = await platform.start('process', ['--proxy-workers', '2', '--dispatchers', '2'])
  const handler = (name: string, body: string) =>
    `export const ${name} = async (request: Request): Promise<Response> => { ${body} }`
  const project = await writeProject(platform.home + '/functions', {
    Fine: { code: handler('Fine', "return new Response('fine')"), options: { instances: 2 } },
    Fails: { code: handler('Fails', "throw new Error('no')") },
    Slow: { code: handler('Slow', 'await new Promise(() => {})'), options: { timeoutMs: 50 } },
    Later: { code: handler('Later', "throw new Error('no')"), options: { async: { attempts: 2, backoffMs: 1 } } },
    OnDoc: { code: 'export const OnDoc = async () => {}', options: { on: [{ table: 'things', events: ['new-doc'] }] } },
  })
  await platform.ok(['deploy', project])
  const call = (name: string) => fetch(`${view.proxyUrl}/functions/${name}`, { method: 'POST' })
  await Promise.all(['fine', 'fine', 'fine', 'fails', 'slow', 'later'].map(call))
  const store = await platform.store()
  await store('/tables/things/docs', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"data":1}',
  })
})
afterAll(() => platform.remove())

const addressOf = (part: string) => view.parts.find(({ name }) => name === part)!.address!

async function agentMetrics(): Promise<string> {
  const found = await readAgentFile(platform.home)
  const headers = { authorization: `Bearer ${found!.token}` }
  const response = await fetch(`${found!.agent.url}/metrics`, { headers })
  expect(response.status).toBe(200)
  return response.text()
}

/** A page to which all parts have contributed; one that is busy for a second is left out of a scrape. */
async function wholePage(): Promise<Map<string, Family> | undefined> {
  const read = parseExposition(await agentMetrics())
  const asked = read.get('faas_scrape_up')?.samples ?? []
  const isWhole = asked.filter(({ labels }) => labels['part'] === 'function').length === 6
  return isWhole && asked.every(({ value }) => Number(value) === 1) ? read : undefined
}

/** The sum of a family's series with these labels. */
function sum(families: Map<string, Family>, name: string, labels: Record<string, string>): number {
  const samples = (families.get(name)?.samples ?? []).filter(sample =>
    Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  )
  return samples.reduce((total, { value }) => total + Number(value), 0)
}

test('one scrape has the metrics of all parts and instances, each series once', async () => {
  const families = await until(async () => {
    const read = await wholePage()
    // The call is dead, and the trigger has seen the document.
    const isDone =
      read &&
      sum(read, 'faas_async_dead_total', { faas_name: 'Later' }) === 1 &&
      sum(read, 'faas_invocations_total', { faas_name: 'OnDoc', faas_trigger: 'datasource', part: 'dispatcher' }) +
        sum(read, 'faas_invocations_total', {
          faas_name: 'OnDoc',
          faas_trigger: 'datasource',
          part: 'dispatcher-2',
        }) ===
        1
    return isDone ? read : undefined
  })
  const { instances } = await platform.details('Fine')
  expect(sum(families, 'faas_invocations_total', { faas_name: 'Fine', part: 'proxy' })).toBe(3)
  for (const { id } of instances) {
    expect(sum(families, 'faas_scrape_up', { faas_instance: id, part: 'function' })).toBe(1)
    expect(families.get('process_resident_memory_bytes')!.samples).toContainEqual(
      expect.objectContaining({ labels: { faas_name: 'Fine', part: 'function', faas_instance: id } }),
    )
  }
  expect(sum(families, 'faas_invocations_total', { faas_name: 'Fine', part: 'function' })).toBe(3)
  expect(sum(families, 'faas_coldstarts_total', { faas_name: 'Fine' })).toBeGreaterThanOrEqual(1)
  expect(sum(families, 'faas_instances', { faas_name: 'Fine', state: 'ready' })).toBe(2)
  expect(sum(families, 'faas_errors_total', { faas_name: 'Fails', part: 'proxy' })).toBe(1)
  expect(sum(families, 'faas_timeouts_total', { faas_name: 'Slow', part: 'proxy' })).toBe(1)
  expect(sum(families, 'faas_invoke_duration_seconds', { faas_name: 'Fine', part: 'proxy' })).toBeGreaterThan(0)
  expect(sum(families, 'store_operations_total', { operation: 'create', part: 'store' })).toBe(1)
  for (const part of ['agent', 'proxy', 'store', 'dispatcher', 'dispatcher-2']) {
    expect(sum(families, 'process_resident_memory_bytes', { part })).toBeGreaterThan(0)
  }
  for (const name of ['faas_async_queue_depth', 'store_operation_duration_seconds', 'faas_trigger_lag_events']) {
    expect(families.has(name), name).toBe(true)
  }
})

test('the documentation lists every metric of ours, with its type, and no other', async () => {
  const page = await readFile(METRICS_PAGE, 'utf8')
  const listed = [...page.matchAll(/^\| `(\w+)` +\| (\w+)/gm)].map(([, name, type]) => `${name} ${type}`)
  const ours = [...(await until(wholePage)).values()].filter(({ name }) => /^(?:faas|store|traces)_/.test(name))
  const shown = ours.map(({ name, type }) => `${name} ${type}`)
  // No callbacks were requested here, nothing is served over HTTPS, and there is one agent.
  const absent = [
    ...['faas_callbacks_total counter', 'faas_leader gauge'],
    ...['faas_certificate_days_left gauge', 'faas_certificate_failing gauge'],
  ]
  expect(listed.sort()).toEqual([...shown, ...absent].sort())
})

test('promtool has no complaints about any of the pages', async () => {
  const { instances } = await platform.details('Fine')
  const { token } = await platform.client()
  const urls = ['proxy', 'store', 'dispatcher', 'dispatcher-2'].map(part => `http://${addressOf(part)}/metrics`)
  for (const url of [...urls, `http://${instances[0]!.address}/.ryo-faas/metrics`]) {
    await promtool(
      ['check', 'metrics'],
      await (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).text(),
    )
  }
  await promtool(['check', 'metrics'], await agentMetrics())
})

test('the alert rules are valid, and they and the dashboard use existing metrics', async () => {
  const rules = join(MONITORING, 'alerts.yml')
  await promtool(['check', 'rules', rules])
  const dashboard = JSON.parse(await readFile(join(MONITORING, 'dashboard.json'), 'utf8')) as {
    panels: { title: string; targets?: { expr: string }[]; gridPos: { x: number; y: number; w: number } }[]
  }
  const expressions = dashboard.panels.flatMap(({ targets }) => targets ?? []).map(({ expr }) => expr)
  expect(expressions.length).toBeGreaterThan(20)
  const known = await until(wholePage)
  const text = [await readFile(rules, 'utf8'), ...expressions].join('\n')
  const names = new Set(text.match(/\b(?:faas|store|traces|process|nodejs)_[a-z0-9_]+(?=[{[) ])/g))
  for (const label of ['faas_name', 'faas_handler', 'faas_instance']) names.delete(label)
  for (const name of names) {
    const family = known.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '')
    // No callbacks were requested here, and there is no HTTPS.
    if (!/^faas_(?:callbacks_total|certificate_)/.test(family))
      expect([family, known.has(family)]).toEqual([family, true])
  }
  const places = dashboard.panels.map(({ gridPos: { x, y } }) => `${x} ${y}`)
  expect(new Set(places).size).toBe(places.length)
})

test('the history has rates and percentiles of the calls', async () => {
  const client = await platform.client()
  const history = await until(async () => {
    await fetch(`${view.proxyUrl}/functions/fine`)
    const read = await client.call('metricsHistory', { query: { function: 'fine' } })
    const wasCalled = read.functions[0]?.points.some(({ callsPerSecond }) => callsPerSecond > 0)
    // A part that is busy for a second is missing from the sample.
    const last = read.platform.at(-1)
    return wasCalled && last?.dead === 1 && last.triggerLagEvents === 0 && last.storeOpsPerSecond !== null
      ? read
      : undefined
  })
  expect(history.functions).toHaveLength(1)
  const point = history.functions[0]!.points.find(({ callsPerSecond }) => callsPerSecond > 0)!
  expect(point).toMatchObject({ instances: 2, errorsPerSecond: 0 })
  expect(point.p50).toBeGreaterThan(0)
  expect(point.p99).toBeGreaterThanOrEqual(point.p50!)
  const last = history.platform.at(-1)!
  expect(last).toMatchObject({ instances: 6, relayLagEvents: 0 })
  const newer = await client.call('metricsHistory', { query: { since: last.t } })
  for (const { t } of newer.platform) expect(t).toBeGreaterThan(last.t)
})

test('top prints one table without a terminal, and exits cleanly on one', async () => {
  expect(await platform.ok(['top'])).toMatch(/calls\/s .*6 instances[^]*FUNCTION +CALLS\/S +ERRORS\/S +P50[^]*\nFine +/)
  await until(async () => {
    const { functions } = JSON.parse(await platform.ok(['top', '--json']))
    const later = functions.find(({ name }: { name: string }) => name === 'Later')
    return later.dead === 1 && later.queueDepth === 0 ? true : undefined
  })
  // script(1) gives it a terminal; a shell in between would exit with 130 on its own Ctrl-C.
  const child = spawn('script', ['-qec', `exec ${process.execPath} ${BIN} top`, '/dev/null'], {
    env: { ...process.env, RYO_FAAS_HOME: platform.home, TERM: 'xterm' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let shown = ''
  child.stdout.on('data', (piece: Buffer) => (shown += piece.toString()))
  const code = new Promise(resolve => child.once('close', resolve))
  // Redrawn at least once.
  await until(async () => (shown.split('FUNCTION').length > 2 ? true : undefined))
  child.stdin.write('\u0003')
  expect(await code).toBe(0)
  expect(shown).toMatch(/^\u001b\[\?1049h[^]*\u001b\[\?1049l/)
})

test('a part that is down is shown as such, and the rest is still there', async () => {
  process.kill(view.parts.find(({ name }) => name === 'store')!.pid!, 'SIGSTOP')
  try {
    const families = await until(async () => {
      const read = parseExposition(await agentMetrics())
      const isUp = (part: string) => sum(read, 'faas_scrape_up', { part }) === 1
      // On a busy machine another one may be late once, too.
      return !isUp('store') && isUp('proxy') ? read : undefined
    })
    expect(families.has('store_operations_total')).toBe(false)
    expect(families.has('faas_invocations_total')).toBe(true)
  } finally {
    process.kill(view.parts.find(({ name }) => name === 'store')!.pid!, 'SIGCONT')
  }
})

/** Spans of these tests are from before all others. */
const UNTIL = '2026-03-02T00:00:00Z'
const OF_THESE = ['--until', UNTIL]
const traces = async () => (await (await platform.client()).call('traces', { query: { until: UNTIL } })).traces

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
  expect(await platform.ok(['traces', ...OF_THESE])).toMatch(
    /TRACE +STARTED +FUNCTION[^]*a00000000000 +2026-03-01T12:00:00.000Z +Hello/,
  )
  const shown = await platform.ok(['traces', 'show', traceId(1).slice(0, 31) + '1', '--attributes'])
  expect(shown).toMatch(/otlp {2}ok {2}25 ms[^]*otlp +hello +25 ms ━+\n +faas.name=Hello/)
  expect(JSON.parse(await platform.ok(['traces', 'show', '--slowest', '--json', ...OF_THESE])).spans).toHaveLength(1)
  expect(await platform.ok(['traces', '--status', 'error', ...OF_THESE])).toBe('No traces match.\n')
  for (const [args, said] of [
    [['traces', 'show', 'ffffffff'], /TRACE_NOT_FOUND/],
    [['traces', '--since', 'yesterday'], /10m/],
    [['traces', '--attribute', 'x'], /key=value/],
  ] as const) {
    const { code, stderr } = await platform.cli([...args])
    expect([code, stderr]).toEqual([1, expect.stringMatching(said)])
  }
})
