/**
 * Kills a store and its bus under load, and counts what is lost, halved or repeated: nothing may be.
 *
 *     npx tsx --conditions=source agent/test/chaos/store-chaos.ts --seed 1 --kills 50 --writers 64
 *
 * With `--postgres` documents are in PostgreSQL, which is killed as often as the store; there `--stores` says how many of
 * them use it at once.
 *
 * Needs the build (`npm run build`) and nats-server. Exits 1 if anything is wrong. Triggers and the whole platform are
 * tested by `events-chaos.ts`.
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { TestPostgres } from '../support/postgres.ts'
import { runCrashes } from '../../src/services/store/testing/crash-run.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    kills: { type: 'string', default: '50' },
    writers: { type: 'string', default: '64' },
    /** Maximum time between two kills of the store, in milliseconds. */
    life: { type: 'string', default: '1000' },
    /** One in this many kills also kills the bus. */
    bus: { type: 'string', default: '5' },
    postgres: { type: 'boolean', default: false },
    stores: { type: 'string', default: '1' },
  },
})

const begin = performance.now()
const postgres = values.postgres ? await TestPostgres.start() : undefined
const report = await runCrashes({
  seed: Number(values.seed),
  kills: Number(values.kills),
  writers: Number(values.writers),
  stores: Number(values.stores),
  longestLifeMs: Number(values.life),
  busKillEvery: Number(values.bus),
  main: fileURLToPath(new URL('../../dist/services/store/main.js', import.meta.url)),
  ...(postgres && { database: postgres }),
  say: line => console.error(line),
}).finally(() => postgres?.remove())
const rows = [
  ['seed, writers', `${values.seed}, ${values.writers}`],
  [
    'killed',
    `store ${values.kills} times, nats-server ${report.busKills} times, PostgreSQL ${report.databaseKills} times`,
  ],
  ['acknowledged writes', `${report.acknowledged}; ${report.unanswered} requests got no answer`],
  ['events, each once in log and stream', String(report.events)],
  ['duration', `${((performance.now() - begin) / 1_000).toFixed(1)} s`],
  ['lost, halved, repeated', String(report.faults.length)],
] as const
for (const [name, value] of rows) console.log(`${name.padEnd(37)} ${value}`)
for (const fault of report.faults.slice(0, 50)) console.log(`  ${fault}`)
process.exitCode = report.faults.length === 0 ? 0 : 1
