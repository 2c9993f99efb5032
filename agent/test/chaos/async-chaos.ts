/**
 * Kills parts of a platform while calls are queued, and counts what is lost: nothing may be.
 *
 *     npx tsx --conditions=source agent/test/chaos/async-chaos.ts --seed 1 --calls 5000 --engine process
 *
 * Needs the build (`npm run build`). Exits 1 if anything is missing; then the platform's home is kept.
 */
import { parseArgs } from 'node:util'
import { TestPlatform } from '../support/platform.ts'
import { runChaos, type ChaosReport } from './chaos-run.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    calls: { type: 'string', default: '5000' },
    engine: { type: 'string', default: 'process' },
    dispatchers: { type: 'string', default: '1' },
    /** Calls per second that are queued. */
    rate: { type: 'string', default: '60' },
    /** Maximum milliseconds between two kills. */
    gap: { type: 'string', default: '3000' },
  },
})
const { engine } = values
if (engine !== 'docker' && engine !== 'process') throw new Error('--engine must be docker or process')
const seed = Number(values.seed)

const platform = await TestPlatform.make()
let isClean = false
try {
  const report = await runChaos(platform, {
    seed,
    calls: Number(values.calls),
    engine,
    dispatchers: Number(values.dispatchers),
    perSecond: Number(values.rate),
    killGapMs: [Number(values.gap) / 10, Number(values.gap)],
    limitMs: 270_000,
    say: line => console.error(line),
  })
  print(report)
  // Whatever was killed, the platform can still be stopped and leaves nothing.
  if (report.faults.length === 0) await platform.ok(['stopFaas', '--prune', '--yes'])
  isClean = report.faults.length === 0
} finally {
  if (isClean) {
    await platform.remove()
  } else {
    await platform.cli(['stopFaas'])
    console.log(`\nlogs and data are kept in ${platform.home}`)
    process.exitCode = 1
  }
}

function print({ faults, ...of }: ChaosReport): void {
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
  const listed = (counts: Record<string, number>) =>
    Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ')
  const rows = [
    ['seed, engine, dispatchers', `${seed}, ${engine}, ${values.dispatchers}`],
    ['accepted', `${of.accepted} of ${values.calls}; ${of.unanswered} requests got no 202 and were sent again`],
    ['final states', listed(of.states)],
    ['killed', listed(Object.fromEntries(of.kills))],
    ['runs beyond the first', String(of.repeatedRuns)],
    ['callbacks beyond the first', String(of.repeatedCallbacks)],
    ['duration', `${seconds(of.acceptingMs)} under fire, ${seconds(of.settlingMs)} until the last was over`],
    ['lost or wrong', String(faults.length)],
  ] as const
  for (const [name, value] of rows) console.log(`${name.padEnd(27)} ${value}`)
  for (const fault of faults.slice(0, 50)) console.log(`  ${fault}`)
}
