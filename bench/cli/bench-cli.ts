/**
 * The command line from spawn to exit, as a shell waits for it: what it takes beyond a Node that does nothing. On the
 * same Node for all.
 */
import { fileURLToPath } from 'node:url'
import { BIN, writeProject } from '../../agent/test/support/platform.ts'
import { HANDLERS } from '../support/built-function.ts'
import { median, quantile, ratio, takeTurns } from '../support/figures.ts'
import { startPlatform } from '../support/platform.ts'
import { run } from '../support/programs.ts'
import { figure, times, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'
import { join } from 'node:path'

const GOAL = 2

/** A command line of another program, for scale. */
const FRAMEWORK = fileURLToPath(
  new URL('../../node_modules/@google-cloud/functions-framework/build/src/main.js', import.meta.url),
)

export const cliBench: Bench = {
  name: 'cli',
  title: 'The command line',
  method:
    'From spawn to exit, with a platform of one function running; for comparison, a Node that does nothing and the help of `functions-framework`. All on the Node that runs the bench.',
  run: benchCli,
}

async function benchCli(stage: Stage): Promise<Report> {
  const platform = await startPlatform(stage, 'process')
  await platform.ok(['deploy', await writeProject(join(stage.folder, 'cli'), { Hello: { code: HANDLERS.node } })])
  const env = { ...process.env, RYO_FAAS_HOME: platform.home }
  const candidates = [
    { name: 'node -e 0', args: ['-e', '0'] },
    { name: 'ryo-faas --version', args: [BIN, '--version'] },
    { name: 'ryo-faas details', args: [BIN, 'details'] },
    { name: 'ryo-faas list', args: [BIN, 'list'] },
    { name: 'functions-framework --help', args: [FRAMEWORK, '--help'] },
  ]
  const results = await takeTurns(candidates, stage.quick ? 3 : 20, async ({ name, args }, round) => {
    stage.say(`cli ${round + 1}: ${name}`)
    const begin = performance.now()
    await run(process.execPath, args, { env })
    return performance.now() - begin
  })
  const ratioOf = (index: number) => ratio(results[index]!, results[0]!)
  return {
    tables: [
      {
        head: ['', 'ms', 'p90', '× node -e 0'],
        rows: candidates.map(({ name }, index) => [
          name,
          figure(median(results[index]!)),
          figure(quantile(results[index]!, 0.9)),
          times(ratioOf(index)),
        ]),
      },
    ],
    goals: [1, 2].map(index => ({
      what: `${candidates[index]!.name}, beside node -e 0`,
      measured: ratioOf(index),
      unit: '×',
      bound: { kind: 'at most', limit: GOAL },
    })),
  }
}
