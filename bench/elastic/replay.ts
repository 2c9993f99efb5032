/** The same calls at the same moments to functions that sleep and to functions that are always on, on one platform. */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Agent, fetch } from 'undici'
import { writeProject, type TestPlatform } from '../../agent/test/support/platform.ts'
import { median, quantile } from '../support/figures.ts'
import { startPlatform } from '../support/platform.ts'
import { anonymousBytes } from '../support/processes.ts'
import { until } from '../support/programs.ts'
import { figure, times, type Goal, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'
import { describeArrivals, makeArrivals, type Arrival, type TraceOptions } from './arrivals.ts'

/**
 * An hour passes in 3 min. Starting an instance and filling the pool take their time whatever the clock does: compressed
 * more, gaps of minutes would end before a new instance waits, and functions that are always on would be as late.
 */
const COMPRESSION = 20
/** Between the same call to one variant and to the next: they would wait for each other. */
const APART_MS = 150
const HOUR_MS = 3_600_000
const SEED = 2021
/** The one is the default of deploy.json. */
const KEEP_MS = { 'as by default': 900_000, 'kept for an hour': 3_600_000 } as const
const IDLE_MS = 60_000
/** Looking at a hundred processes every second would hold up calls itself. */
const SAMPLE_MS = 5_000
const NEAR_MS = 50
/** Before the first call that counts: the proxy and the client are in use, as on any day. */
const WARM_UP = { calls: 500, everyMs: 10 }

const CODE = `export const fn = async (request) => {
  const ms = Number(new URL(request.url).searchParams.get('ms'))
  await new Promise(resolve => setTimeout(resolve, ms))
  return new Response('ok')
}`

/** Twice, so that the table shows by how much two equal calls differ on this machine. */
const ALWAYS_ON = ['always on', 'always on, again']
const VARIANTS = [...ALWAYS_ON, ...Object.keys(KEEP_MS)]

export async function replay(stage: Stage): Promise<Report> {
  const scaled = (ms: number) => Math.max(100, Math.round(ms / COMPRESSION))
  const trace: TraceOptions = {
    ...{ seed: SEED, functions: stage.quick ? 20 : 40 },
    durationMs: (stage.quick ? 1 : 4) * HOUR_MS,
    hotPerSecond: 10 / COMPRESSION,
  }
  const arrivals = makeArrivals(trace)
  const platform = await startPlatform(stage, 'process', ['--pool', '4'])
  stage.say('replay: deploying')
  await platform.ok(['deploy', await writeFunctions(stage, trace.functions, scaled)])
  stage.say('replay: until all that sleep are gone')
  await untilGone(platform, Math.max(...Object.values(KEEP_MS).map(scaled)))
  await warmUp(platform)
  const abort = new AbortController()
  const sampling = sampleMemory(platform, abort.signal)
  const tookMs = await send(stage, platform, arrivals)
  abort.abort()
  const memory = await sampling
  const failed = tookMs.map(all => all.filter(Number.isNaN).length)
  const differences = tookMs.map(all =>
    all.map((ms, index) => ms - tookMs[0]![index]!).filter(difference => !Number.isNaN(difference)),
  )
  const near = differences.map(all => all.filter(ms => ms <= NEAR_MS).length / all.length)
  const ratios = memory.map(own => own / memory[0]!)
  const rows = VARIANTS.map((name, index) => [
    name,
    String(failed[index]),
    figure(median(tookMs[index]!.filter(ms => !Number.isNaN(ms)))),
    figure(quantile(differences[index]!, 0.99)),
    figure(quantile(differences[index]!, 0.999)),
    `${(100 * near[index]!).toFixed(2)} %`,
    times(ratios[index]!),
  ])
  const byDefault = ALWAYS_ON.length
  const goals: Goal[] = [
    { what: 'replay: failed calls', measured: failed[byDefault]!, unit: '', bound: { kind: 'at most', limit: 0 } },
    {
      what: `replay: calls within ${NEAR_MS} ms of always on`,
      ...{ measured: 100 * near[byDefault]!, unit: '%', bound: { kind: 'at least', limit: 99.9 } },
    },
    {
      what: 'replay: memory × time of always on',
      ...{ measured: ratios[byDefault]!, unit: '×', bound: { kind: 'at most', limit: 0.3 } },
    },
  ]
  const title = `Replay: ${describeArrivals(arrivals, trace)}. Time passes ${COMPRESSION} times as fast, also for scale: idleMs ${scaled(IDLE_MS)} for ${IDLE_MS}, keepMs ${Object.values(
    KEEP_MS,
  )
    .map(ms => `${scaled(ms)} for ${ms}`)
    .join(' or ')}; processes; each call goes to one after the other, ${APART_MS} ms apart`
  return {
    tables: [
      {
        title,
        head: ['', 'failed', 'ms', 'later than always on, p99', 'p99.9', `within ${NEAR_MS} ms`, 'memory × time'],
        rows,
      },
    ],
    goals,
  }
}

const nameOf = (variant: number, fn: number) => `v${variant}-${fn}`

function writeFunctions(stage: Stage, functions: number, scaled: (ms: number) => number): Promise<string> {
  const scales = [
    ...ALWAYS_ON.map(() => ({ min: 1 })),
    ...Object.values(KEEP_MS).map(ms => ({ idleMs: scaled(IDLE_MS), keepMs: scaled(ms) })),
  ]
  const entries = scales.flatMap((scale, variant) =>
    Array.from({ length: functions }, (_, fn) => [
      nameOf(variant, fn),
      { code: CODE, options: { export: 'fn', scale } },
    ]),
  )
  const all = [...entries, [USED_BEFORE, { code: CODE, options: { export: 'fn', scale: { min: 1 } } }]]
  return writeProject(join(stage.folder, 'replay'), Object.fromEntries(all))
}

/** A function that nothing is measured of. */
const USED_BEFORE = 'used-before'

async function warmUp(platform: TestPlatform): Promise<void> {
  const { proxyUrl } = await platform.view()
  const calls: Promise<string>[] = []
  for (let call = 0; call < WARM_UP.calls; call += 1) {
    calls.push(fetch(`${proxyUrl}/functions/${USED_BEFORE}?ms=5`).then(response => response.text()))
    await delay(WARM_UP.everyMs)
  }
  await Promise.all(calls)
}

/** As it is before a day begins on which nobody has called anything yet. @param keptMs they sleep so long before */
async function untilGone(platform: TestPlatform, keptMs: number): Promise<void> {
  const client = await platform.client()
  await delay(keptMs)
  await until(async () => {
    const { deployments } = await client.call('deployments', {})
    const open = deployments.filter(({ name, instances }) => /^v[^01]-/.test(name) && instances.length > 0)
    if (open.length > 0) throw new Error(`${open.length} functions are still there`)
  })
}

/** @returns by variant, how long each call took; NaN for one that failed */
async function send(stage: Stage, platform: TestPlatform, arrivals: readonly Arrival[]): Promise<number[][]> {
  const { proxyUrl } = await platform.view()
  const dispatcher = new Agent({ connections: 200 })
  stage.onEnd(() => dispatcher.close())
  const tookMs = VARIANTS.map(() => arrivals.map(() => Number.NaN))
  const begin = performance.now()
  const open = new Set<Promise<void>>()
  for (const [index, { atMs, fn, workMs }] of arrivals.entries()) {
    const waitMs = begin + atMs / COMPRESSION - performance.now()
    if (waitMs > 0) await delay(waitMs)
    if (index % 50 === 0) stage.say(`replay: call ${index} of ${arrivals.length}`)
    for (const variant of VARIANTS.keys()) {
      const call = async () => {
        await delay(variant * APART_MS)
        const since = performance.now()
        const url = `${proxyUrl}/functions/${nameOf(variant, fn)}?ms=${workMs}`
        const response = await fetch(url, { dispatcher }).catch(() => undefined)
        await response?.text().catch(() => undefined)
        if (response?.status === 200) tookMs[variant]![index] = performance.now() - since
      }
      const calling: Promise<void> = call().finally(() => open.delete(calling))
      open.add(calling)
    }
  }
  await Promise.all(open)
  return tookMs
}

/** @returns by variant, the memory of its instances that is no page of a file, in byte milliseconds */
async function sampleMemory(platform: TestPlatform, signal: AbortSignal): Promise<number[]> {
  const client = await platform.client()
  const sums = VARIANTS.map(() => 0)
  let last = performance.now()
  while (!signal.aborted) {
    await delay(SAMPLE_MS)
    const { resources } = await client.call('resources', {})
    const now = performance.now()
    for (const { type, name, deployment = '' } of resources) {
      const pid = Number(/\bpid (\d+)/.exec(name)?.[1])
      if (type !== 'instance' || Number.isNaN(pid) || deployment === USED_BEFORE) continue
      sums[Number(deployment[1])]! += anonymousBytes(pid) * (now - last)
    }
    last = now
  }
  return sums
}
