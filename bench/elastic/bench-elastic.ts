/**
 * What a call waits for that finds its function asleep: frozen, gone, or too busy; from the request to the first byte of
 * the answer, through the proxy, beside the same call to an instance that is awake.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { writeProject, type TestPlatform } from '../../agent/test/support/platform.ts'
import { median, quantile } from '../support/figures.ts'
import { ENGINES, startPlatform, type EngineName } from '../support/platform.ts'
import { until } from '../support/programs.ts'
import { figure, type Bench, type Goal, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'
import { jump } from './jump.ts'
import { replay } from './replay.ts'

/** Until the pool is filled again, and what has gone is removed. */
const REFILL_MS = 1_000
/** Before the first that counts: what serves a call has done so, as on any day. */
const WARM_UP_ROUNDS = 10

export const elasticBench: Bench = {
  name: 'elastic',
  title: 'Asleep and awake',
  method:
    'First one call at a time, from sending it to the first byte of its answer. Before each, the function is awake, frozen or gone; `ryo-faas details` says so. What is gone comes out of the pool, which is full, or starts anew because it asks for what is settled when Node boots. Then more of them at once, and some hours of a trace.',
  run: benchElastic,
}

async function benchElastic(stage: Stage): Promise<Report> {
  const parts = [await wakes(stage), await jump(stage), await replay(stage)]
  return { tables: parts.flatMap(({ tables }) => tables), goals: parts.flatMap(({ goals }) => goals) }
}

const CODE = "export const fn = () => new Response('ok')"
const KINDS = {
  awake: { scale: { min: 1 } },
  frozen: { scale: { idleMs: 100 } },
  gone: { scale: { idleMs: 100, keepMs: 0 } },
  anew: { scale: { idleMs: 100, keepMs: 0 }, env: { LANG: 'C.UTF-8' } },
} as const
type Kind = keyof typeof KINDS
const TITLES: Record<Kind, string> = {
  awake: 'awake',
  frozen: 'frozen',
  gone: 'gone, out of the pool',
  anew: 'gone, started anew',
}
/** Of containers. */
const GOALS: Partial<Record<Kind, { p50: number; p99: number }>> = {
  frozen: { p50: 10, p99: 25 },
  gone: { p50: 20, p99: 60 },
}

async function wakes(stage: Stage): Promise<Report> {
  const rounds = stage.quick ? 10 : 100
  const rows: string[][] = []
  const goals: Goal[] = []
  for (const engine of ENGINES) {
    const platform = await deployed(stage, engine)
    const found: Record<Kind, number[]> = { awake: [], frozen: [], gone: [], anew: [] }
    for (let round = 1 - WARM_UP_ROUNDS; round <= rounds; round += 1) {
      stage.say(`elastic, ${engine}, ${round} of ${rounds}`)
      for (const kind of Object.keys(KINDS) as Kind[]) {
        await untilIs(platform, kind)
        const tookMs = await firstByteMs(platform.url(kind))
        if (round > 0) found[kind].push(tookMs)
        // Another container begins to wait, or this one is removed: not to be measured with the next kind.
        if (kind === 'gone' || kind === 'anew') await delay(REFILL_MS)
      }
    }
    for (const kind of Object.keys(KINDS) as Kind[]) {
      const measured = { p50: median(found[kind]), p99: quantile(found[kind], 0.99) }
      rows.push([`${engine}, ${TITLES[kind]}`, figure(measured.p50), figure(measured.p99)])
      const limits = engine === 'docker' ? GOALS[kind] : undefined
      if (limits === undefined) continue
      for (const which of ['p50', 'p99'] as const) {
        const what = `${TITLES[kind]} → first byte, ${which}`
        goals.push({ what, measured: measured[which], unit: 'ms', bound: { kind: 'at most', limit: limits[which] } })
      }
    }
  }
  return { tables: [{ head: ['', 'ms', 'p99'], rows }], goals }
}

interface Deployed {
  platform: TestPlatform
  url(kind: Kind): string
}

async function deployed(stage: Stage, engine: EngineName): Promise<Deployed> {
  const platform = await startPlatform(stage, engine, ['--pool', '2'])
  const functions = Object.entries(KINDS).map(([kind, options]) => [
    kind,
    { code: CODE, options: { export: 'fn', ...options } },
  ])
  const folder = join(stage.folder, `elastic-${engine}`)
  await platform.ok(['deploy', await writeProject(folder, Object.fromEntries(functions))])
  const { proxyUrl } = await platform.view()
  return { platform, url: kind => `${proxyUrl}/functions/${kind}` }
}

async function untilIs({ platform }: Deployed, kind: Kind): Promise<void> {
  const client = await platform.client()
  const wanted = { awake: 'ready', frozen: 'frozen', gone: '', anew: '' }[kind]
  await until(async () => {
    const { instances } = await client.call('deployment', { params: { name: kind } })
    if (instances.map(({ state }) => state).join() !== wanted) throw new Error(`${kind} is not ${wanted} yet`)
  })
  if (kind === 'gone') await delay(REFILL_MS)
}

async function firstByteMs(url: string): Promise<number> {
  const begin = performance.now()
  const response = await fetch(url)
  const elapsedMs = performance.now() - begin
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}`)
  await response.text()
  return elapsedMs
}
