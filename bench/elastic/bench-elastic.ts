/**
 * What a call waits for that finds its function asleep: frozen, gone, or too busy; from the request to the first byte of
 * the answer, through the proxy, beside the same call to an instance that is awake.
 */
import { join } from 'node:path'
import { writeProject, type TestPlatform } from '../../agent/test/support/platform.ts'
import { median, quantile } from '../support/figures.ts'
import { ENGINES, startPlatform, type EngineName } from '../support/platform.ts'
import { until } from '../support/programs.ts'
import { figure, type Bench, type Goal, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'
import { jump } from './jump.ts'
import { replay } from './replay.ts'

const FROZEN_GOAL_MS = { p50: 10, p99: 25 }

export const elasticBench: Bench = {
  name: 'elastic',
  title: 'Asleep and awake',
  method:
    'First one call at a time, from sending it to the first byte of its answer. Before each, the function is awake, frozen or gone; `ryo-faas details` says so. What is gone starts anew here: there is no pool (see the section on cold starts). Then more of them at once, and some hours of a trace.',
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
} as const
type Kind = keyof typeof KINDS

async function wakes(stage: Stage): Promise<Report> {
  const rounds = stage.quick ? 10 : 100
  const rows: string[][] = []
  const goals: Goal[] = []
  for (const engine of ENGINES) {
    const platform = await deployed(stage, engine)
    const found: Record<Kind, number[]> = { awake: [], frozen: [], gone: [] }
    for (let round = 0; round < rounds; round += 1) {
      stage.say(`elastic, ${engine}, ${round + 1} of ${rounds}`)
      for (const kind of Object.keys(KINDS) as Kind[]) {
        await untilIs(platform, kind)
        found[kind].push(await firstByteMs(platform.url(kind)))
      }
    }
    for (const [kind, all] of Object.entries(found)) {
      rows.push([`${engine}, ${kind}`, figure(median(all)), figure(quantile(all, 0.99))])
    }
    if (engine !== 'docker') continue
    const goal = (name: string, measured: number, limit: number) =>
      goals.push({ what: `frozen → first byte, ${name}`, measured, unit: 'ms', bound: { kind: 'at most', limit } })
    goal('p50', median(found.frozen), FROZEN_GOAL_MS.p50)
    goal('p99', quantile(found.frozen, 0.99), FROZEN_GOAL_MS.p99)
  }
  return { tables: [{ head: ['', 'ms', 'p99'], rows }], goals }
}

interface Deployed {
  platform: TestPlatform
  url(kind: Kind): string
}

async function deployed(stage: Stage, engine: EngineName): Promise<Deployed> {
  const platform = await startPlatform(stage, engine)
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
  const wanted = { awake: 'ready', frozen: 'frozen', gone: '' }[kind]
  await until(async () => {
    const { instances } = await client.call('deployment', { params: { name: kind } })
    if (instances.map(({ state }) => state).join() !== wanted) throw new Error(`${kind} is not ${wanted} yet`)
  })
}

async function firstByteMs(url: string): Promise<number> {
  const begin = performance.now()
  const response = await fetch(url)
  const elapsedMs = performance.now() - begin
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}`)
  await response.text()
  return elapsedMs
}
