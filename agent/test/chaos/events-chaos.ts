/**
 * Kills the store, and everything between it and its triggers, while many write; then counts what is lost: nothing may
 * be.
 *
 *     npx tsx --conditions=source agent/test/chaos/events-chaos.ts --seed 1 --kills 50 --writers 64
 *
 * Needs the build (`npm run build`). Exits 1 if anything is wrong; then the platform's home is kept.
 */
import { parseArgs } from 'node:util'
import { TestPlatform } from '../support/platform.ts'
import { runEventsChaos } from './events-run.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    /** Kills of the store; those of the others are extra. */
    kills: { type: 'string', default: '50' },
    writers: { type: 'string', default: '64' },
    engine: { type: 'string', default: 'process' },
    /** Maximum milliseconds between two kills. */
    gap: { type: 'string', default: '1500' },
  },
})
const { engine } = values
if (engine !== 'docker' && engine !== 'process') throw new Error('--engine must be docker or process')

const begin = performance.now()
const platform = await TestPlatform.make()
let isClean = false
try {
  const { faults, kills, ...counts } = await runEventsChaos(platform, {
    seed: Number(values.seed),
    writers: Number(values.writers),
    storeKills: Number(values.kills),
    engine,
    killGapMs: [Number(values.gap) / 10, Number(values.gap)],
    limitMs: 400_000,
    say: line => console.error(`${((performance.now() - begin) / 1_000).toFixed(1).padStart(6)} s ${line}`),
  })
  console.log(`seed ${values.seed}, ${engine}, ${values.writers} writers`)
  console.log(`killed: ${[...kills].map(([victim, count]) => `${count} ${victim}`).join(', ')}`)
  console.log(`${counts.writes} writes acknowledged, ${counts.unanswered} requests without an answer`)
  console.log(`${counts.events} events in the log, ${counts.repeatedRuns} runs of the trigger beyond the first`)
  console.log(`${Math.round(counts.underFireMs)} ms under fire, ${Math.round(counts.settlingMs)} ms until all was seen`)
  console.log(`lost or wrong: ${faults.length}`)
  for (const fault of faults.slice(0, 50)) console.log(`  ${fault}`)
  // Whatever was killed, the platform can still be stopped and leaves nothing.
  if (faults.length === 0) await platform.ok(['stopFaas', '--prune', '--yes'])
  isClean = faults.length === 0
} finally {
  if (isClean) {
    await platform.remove()
  } else {
    await platform.cli(['stopFaas'])
    console.log(`\nlogs and data are kept in ${platform.home}`)
    process.exitCode = 1
  }
}
