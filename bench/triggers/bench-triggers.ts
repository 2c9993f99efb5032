/**
 * From an acknowledged write to its trigger: on a whole platform, by the clock that all processes of a machine share.
 */
import { join } from 'node:path'
import { logLinesOf } from '../../agent/test/support/function-log.ts'
import { writeProject } from '../../agent/test/support/platform.ts'
import { median, quantile } from '../support/figures.ts'
import { startPlatform } from '../support/platform.ts'
import { pause, until } from '../support/programs.ts'
import { figure, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'

const TRIGGER = `import type { DocumentEvent } from '@ryo-faas/runtime'
export const seen = (event: DocumentEvent) => console.log('seen', event.id, process.hrtime.bigint())`

export const triggersBench: Bench = {
  name: 'triggers',
  title: 'From a write to its trigger',
  method:
    'Writes one after the other on an idle platform (functions as processes), from the moment the response of the store has been read to the first line of the trigger. We set the goal ourselves: there is no peer that relays a durable write.',
  run: stage => benchTriggers(stage),
}

/** Of each write, in milliseconds. @param flags of `startFaas` */
export async function triggerDelays(stage: Stage, flags: string[] = []): Promise<number[]> {
  const count = stage.quick ? 50 : 500
  const platform = await startPlatform(stage, 'process', flags)
  const options = { on: [{ table: 'bench', events: ['new-doc'] }] }
  await platform.ok([
    'deploy',
    await writeProject(join(platform.home, 'project'), { seen: { code: TRIGGER, options } }),
  ])
  const store = await platform.store()
  const written = new Map<string, bigint>()
  for (let i = 0; i < count; i += 1) {
    const response = await store('/tables/bench/docs', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ data: { i } }),
    })
    const { id } = (await response.json()) as { id: string }
    written.set(id, process.hrtime.bigint())
    await pause(10)
  }
  const delaysMs = await until(async () => {
    const lines = await logLinesOf(platform, 'seen')
    const delays = lines.flatMap(line => {
      const [, id, at] = /seen (\S+) (\d+)n?$/.exec(line) ?? []
      const begin = written.get(id ?? '')
      return begin === undefined ? [] : [Number(BigInt(at!) - begin) / 1e6]
    })
    if (delays.length < count) throw new Error(`${delays.length} of ${count} triggers ran`)
    return delays
  })
  // The first one runs cold code.
  return delaysMs.slice(Math.floor(count / 10))
}

async function benchTriggers(stage: Stage): Promise<Report> {
  const warm = await triggerDelays(stage)
  return {
    tables: [
      {
        head: ['', 'p50 ms', 'p90 ms', 'p99 ms'],
        rows: [
          ['write acknowledged to trigger running', ...[0.5, 0.9, 0.99].map(part => figure(quantile(warm, part)))],
        ],
      },
    ],
    goals: [{ what: 'median', measured: median(warm), unit: 'ms', bound: { kind: 'at most', limit: 10 } }],
  }
}
