/** `ryo-faas dev` in an empty folder, on a machine where nothing of ours has run yet, until the function answers. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { BIN } from '../../agent/test/support/platform.ts'
import { median, quantile } from '../support/figures.ts'
import { ENGINES, makePlatform, type EngineName } from '../support/platform.ts'
import { textOf, until } from '../support/programs.ts'
import { figure, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'

const GOAL_MS = 10_000
const STEPS = ['project', 'deployed', 'answer'] as const
/** What it prints when a step is done. */
const SAYS = { project: /^Created /m, deployed: /http:\S+\/functions\// }

export const devBench: Bench = {
  name: 'dev',
  title: 'The first evening',
  method:
    '`ryo-faas dev` in an empty folder with an empty home, from spawn to the first answer of the function that it made: project, platform, check, bundle, instance. The packages are there; with containers, the base image is made on the way.',
  run: benchDev,
}

async function benchDev(stage: Stage): Promise<Report> {
  const rounds = stage.quick ? 1 : 5
  const rows: string[][] = []
  const goals: Report['goals'] = []
  for (const engine of ENGINES) {
    const results: Awaited<ReturnType<typeof firstAnswer>>[] = []
    for (let round = 0; round < rounds; round += 1) {
      stage.say(`dev ${round + 1} of ${rounds}: ${engine}`)
      results.push(await firstAnswer(stage, engine, round))
    }
    const of = (step: (typeof STEPS)[number]) => results.map(result => result[step])
    rows.push([engine, ...STEPS.map(step => figure(median(of(step)))), figure(quantile(of('answer'), 0.9))])
    const bound = { kind: 'at most', limit: GOAL_MS } as const
    goals.push({ what: `dev in an empty folder, ${engine}`, measured: median(of('answer')), unit: 'ms', bound })
  }
  return { tables: [{ head: ['', ...STEPS.map(step => `${step}, ms`), 'p90'], rows }], goals }
}

/** Milliseconds from the spawn. */
async function firstAnswer(stage: Stage, engine: EngineName, round: number) {
  const platform = await makePlatform(stage)
  const folder = join(stage.folder, `dev-${engine}-${round}`)
  await mkdir(folder)
  const begin = performance.now()
  const env = { ...platform.environment, RYO_FAAS_ENGINE: engine }
  const dev = spawn(process.execPath, [BIN, 'dev', folder], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(dev, 'exit')
  const times = { project: NaN, deployed: NaN, answer: NaN }
  let said = ''
  const note = (piece: Buffer) => {
    said += piece.toString()
    for (const step of ['project', 'deployed'] as const) {
      if (Number.isNaN(times[step]) && SAYS[step].test(said)) times[step] = performance.now() - begin
    }
  }
  for (const stream of [dev.stdout, dev.stderr]) stream.on('data', note)
  try {
    await until(async () => {
      if (dev.exitCode !== null) throw new Error(`dev ended: ${said}`)
      const url = /http:\S+\/functions\/\w+/.exec(said)?.[0]
      const text = url === undefined ? undefined : await textOf(url)
      if (!text?.startsWith('Hello')) throw new Error(`no answer yet: ${said}`)
    })
    times.answer = performance.now() - begin
  } finally {
    dev.kill('SIGINT')
    await ended
    await platform.remove()
  }
  return times
}
