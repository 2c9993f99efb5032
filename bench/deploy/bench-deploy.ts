/**
 * From a changed source to the first new response. The agent is warm: the function was deployed before, and the pool is full. Edits alternate
 * between all ways; a deploy starts only after the previous one has drained.
 */
import { median, quantile, ratio, takeTurns } from '../support/figures.ts'
import { ENGINES, untilSettled } from '../support/platform.ts'
import { figure, times, type Bench, type Figures, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'
import { dockerByHand, frameworkRestart } from './by-hand.ts'
import { ourPlatform, type OurPlatform } from './ours.ts'
import { STEPS, type Timing } from './way.ts'

/** Median of a one-line edit in milliseconds. */
const GOALS = { api: 100, commandLine: 150 }

export const deployBench: Bench = {
  name: 'deploy',
  title: 'Deploy',
  method:
    'From writing the source to the first new response through the proxy, with check, bundle, isolation and a switch without a lost call. By hand: the same bundle and base image with `docker build` and `docker run` (the function is down in between); functions-framework killed and restarted, without check and bundle.',
  run: benchDeploy,
}

async function benchDeploy(stage: Stage): Promise<Report> {
  const platforms: OurPlatform[] = []
  for (const engine of ENGINES) platforms.push(await ourPlatform(stage, engine))
  const edits = await benchEdits(stage, platforms)
  const others = await benchOthers(stage, platforms)
  return {
    tables: [edits.table, edits.steps, others],
    goals: ENGINES.flatMap(engine => [
      {
        what: `one-line edit through the API, ${engine}`,
        measured: edits.medianOf(engine, 0),
        unit: 'ms',
        bound: { kind: 'at most', limit: GOALS.api },
      },
      {
        what: `one-line edit through the command line, ${engine}`,
        measured: edits.medianOf(engine, 1),
        unit: 'ms',
        bound: { kind: 'at most', limit: GOALS.commandLine },
      },
    ]),
  }
}

async function benchEdits(stage: Stage, platforms: OurPlatform[]) {
  const rounds = stage.quick ? 4 : 15
  const byHand = { docker: await dockerByHand(stage), process: await frameworkRestart(stage) }
  const ways = platforms.flatMap(({ engine, edits }) => [
    ...edits.map(way => ({ ...way, engine })),
    { ...byHand[engine], engine },
  ])
  for (const way of ways) await way.deploy()
  const results = await takeTurns(ways, rounds, ({ name, deploy }, round) => {
    stage.say(`edit ${round + 1} of ${rounds}: ${name}`)
    return deploy()
  })
  const totals = results.map(timings => timings.map(({ totalMs }) => totalMs))
  const peerOf = (engine: string) => totals[ways.findIndex(({ name }) => name === byHand[engine as 'docker'].name)]!
  const apiOf = (engine: string) => ways.findIndex(way => way.engine === engine)
  const table: Figures = {
    title: 'one-line edit',
    head: ['', 'ms', 'p90', '× by hand'],
    rows: ways.map(({ name, engine }, index) => [
      name,
      figure(median(totals[index]!)),
      figure(quantile(totals[index]!, 0.9)),
      times(ratio(totals[index]!, peerOf(engine))),
    ]),
  }
  const steps: Figures = {
    title: 'its steps, ms (traffic moves early in the last one)',
    head: ['', ...STEPS],
    rows: platforms.map(({ engine }) => [`ours, ${engine}: API`, ...stepCells(results[apiOf(engine)]!)]),
  }
  return { table, steps, medianOf: (engine: string, way: number) => median(totals[apiOf(engine) + way]!) }
}

async function benchOthers(stage: Stage, platforms: OurPlatform[]): Promise<Figures> {
  const rounds = stage.quick ? 2 : 7
  const cases = platforms.flatMap(({ engine, platform, first, unchanged }) => [
    { name: `ours, ${engine}: first deploy`, platform, measure: first },
    { name: `ours, ${engine}: nothing changed`, platform, measure: unchanged },
  ])
  const results = await takeTurns(cases, rounds, async ({ name, platform, measure }, round) => {
    stage.say(`deploy ${round + 1} of ${rounds}: ${name}`)
    await untilSettled(platform)
    return measure()
  })
  return {
    title: 'other deploys through the API',
    head: ['', 'ms', 'p90', ...STEPS],
    rows: cases.map(({ name }, index) => {
      const totals = results[index]!.map(({ totalMs }) => totalMs)
      return [name, figure(median(totals)), figure(quantile(totals, 0.9)), ...stepCells(results[index]!)]
    }),
  }
}

function stepCells(timings: Timing[]): string[] {
  return STEPS.map(step => figure(median(timings.flatMap(({ steps }) => steps?.[step] ?? []))))
}
