/** The store on PostgreSQL next to what PostgreSQL does alone (pgbench), and next to the embedded store. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PASSWORD, postgresPrograms, TestPostgres } from '../../agent/test/support/postgres.ts'
import { CONNECTIONS, DOCUMENT, load, startStore } from '../store/bench-store.ts'
import { median, quantile, ratio, takeTurns } from '../support/figures.ts'
import { run } from '../support/programs.ts'
import { figure, times, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'
import { triggerDelays } from '../triggers/bench-triggers.ts'

export const postgresBench: Bench = {
  name: 'postgres',
  title: 'The store on PostgreSQL',
  method: `One PostgreSQL with fsync on, on this machine, over loopback. pgbench inserts single rows (an id and the same document as jsonb) with ${CONNECTIONS} connections and prepared statements; the stores get creates over HTTP from wrk with as many connections, and write document, event and indexes in a transaction, with their relay off. All share two cores and take turns, ratios within a turn. Triggers as in "From a write to its trigger".`,
  run: benchPostgres,
}

async function benchPostgres(stage: Stage): Promise<Report> {
  const [rounds, seconds] = stage.quick ? [3, 2] : [9, 4]
  const postgres = await TestPostgres.start({ isDurable: true })
  stage.onEnd(() => postgres.remove())
  await postgres.sql('CREATE TABLE bench (id uuid PRIMARY KEY, data jsonb NOT NULL)')
  const [inDatabase, embedded] = [await startStore(stage, postgres.url()), await startStore(stage)]
  const candidates = [
    () => pgbench(stage, postgres, seconds),
    () => load(stage, inDatabase.create, { seconds, body: inDatabase.body }),
    () => load(stage, embedded.create, { seconds, body: embedded.body }),
  ]
  await takeTurns(candidates, 1, measure => measure())
  const creates = await takeTurns(candidates, rounds, measure => measure())
  const reads = await takeTurns([inDatabase, embedded], rounds, store => load(stage, store.read, { seconds }))
  await Promise.all([inDatabase.stop(), embedded.stop()])
  await postgres.sql('DROP SCHEMA ryo_faas CASCADE')
  stage.say('triggers')
  const delaysMs = await triggerDelays(stage, ['--store', postgres.url()])
  const names = ['pgbench, single-row inserts', 'ours on PostgreSQL', 'ours, embedded']
  return {
    tables: [
      {
        title: 'Durable, per second',
        head: ['', 'creates/s', 'of pgbench', 'reads/s'],
        rows: names.map((name, at) => [
          name,
          figure(median(creates[at]!)),
          times(ratio(creates[at]!, creates[0]!)),
          at === 0 ? '' : figure(median(reads[at - 1]!)),
        ]),
      },
      {
        title: 'Triggers',
        head: ['', 'p50 ms', 'p90 ms', 'p99 ms'],
        rows: [
          ['write acknowledged to trigger running', ...[0.5, 0.9, 0.99].map(part => figure(quantile(delaysMs, part)))],
        ],
      },
    ],
    goals: [
      {
        what: 'durable creates to single-row inserts of pgbench',
        measured: ratio(creates[1]!, creates[0]!),
        unit: '×',
        bound: { kind: 'at least', limit: 0.7 },
      },
      {
        what: 'write to trigger, median',
        measured: median(delaysMs),
        unit: 'ms',
        bound: { kind: 'at most', limit: 5 },
      },
    ],
  }
}

/** @returns inserts per second */
async function pgbench(stage: Stage, { port }: TestPostgres, seconds: number): Promise<number> {
  const script = join(stage.folder, 'insert.sql')
  await writeFile(script, `INSERT INTO bench VALUES (gen_random_uuid(), '${JSON.stringify(DOCUMENT)}');\n`)
  const where = ['-h', '127.0.0.1', '-p', String(port), '-U', 'admin']
  const how = ['-n', '-M', 'prepared', '-c', String(CONNECTIONS), '-j', '1', '-T', String(seconds), '-f', script]
  const env = { ...process.env, PGPASSWORD: PASSWORD }
  const text = await run(join(await postgresPrograms(), 'pgbench'), [...where, ...how, 'postgres'], { env })
  return Number(/tps = ([\d.]+)/.exec(text)?.[1])
}
