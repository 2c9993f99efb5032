/** `npm run bench`: every result next to its peers, in one run. `--help` says with which options. */
import { parseArgs } from 'node:util'
import { accessBench } from './access/bench-access.ts'
import { acceptBench } from './async/accept.ts'
import { dispatchBench } from './async/dispatch.ts'
import { cliBench } from './cli/bench-cli.ts'
import { bootBench } from './boot/bench-boot.ts'
import { checkBench } from './check/bench-check.ts'
import { coldstartBench } from './coldstart/bench-coldstart.ts'
import { deployBench } from './deploy/bench-deploy.ts'
import { devBench } from './dev/bench-dev.ts'
import { dialectsBench } from './dialects/bench-dialects.ts'
import { elasticBench } from './elastic/bench-elastic.ts'
import { elsewhereBench } from './elsewhere/bench-elsewhere.ts'
import { frontBench } from './front/bench-front.ts'
import { languagesBench } from './languages/bench-languages.ts'
import { machinesBench } from './machines/bench-machines.ts'
import { memoryBench } from './memory/bench-memory.ts'
import { platformBench } from './platform/bench-platform.ts'
import { proxyBench } from './proxy/bench-proxy.ts'
import { postgresBench } from './postgres/bench-postgres.ts'
import { schedulesBench } from './schedules/bench-schedules.ts'
import { storeBench } from './store/bench-store.ts'
import { startBench } from './start/bench-start.ts'
import { telemetryBench } from './telemetry/bench-telemetry.ts'
import { thousandBench } from './thousand/bench-thousand.ts'
import { triggersBench } from './triggers/bench-triggers.ts'
import { streamingBench } from './streaming/bench-streaming.ts'
import { describeMachine } from './support/machine.ts'
import { asText, type Bench } from './support/report.ts'
import { writeReadme } from './support/readme.ts'
import { Stage } from './support/stage.ts'

const BENCHES: Bench[] = [
  proxyBench,
  frontBench,
  accessBench,
  bootBench,
  dialectsBench,
  coldstartBench,
  deployBench,
  elsewhereBench,
  languagesBench,
  checkBench,
  startBench,
  devBench,
  cliBench,
  platformBench,
  elasticBench,
  thousandBench,
  machinesBench,
  memoryBench,
  streamingBench,
  acceptBench,
  dispatchBench,
  storeBench,
  postgresBench,
  triggersBench,
  schedulesBench,
  telemetryBench,
]

/** `EX_USAGE` of sysexits.h. */
const WRONG_USAGE = 64

const USAGE = `npm run bench -- [options]

  --only proxy,boot   only these
  --quick             a tenth of the effort: to see that it works
  --write             writes the results into bench/README.md, each bench between its own markers
  --help              this

Benches: ${BENCHES.map(({ name }) => name).join(', ')}`

const { values, benches } = asked()
if (values.help) {
  console.log(USAGE)
  process.exit(0)
}

let stage: Stage | undefined
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    console.error('\ncleaning up')
    void (stage?.ended() ?? Promise.resolve()).then(() => process.exit(130))
  })
}

const machine = describeMachine()
console.log(`${machine}\n`)
for (const bench of benches) {
  stage = await Stage.open({ quick: values.quick, say })
  try {
    const report = await bench.run(stage)
    say('')
    console.log(`${asText(bench, report)}\n`)
    if (values.write) await writeReadme(bench, { report, machine })
  } finally {
    await stage.ended()
  }
}

/** What the command line says; if that makes no sense the process ends with one line about it. */
function asked() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string' },
        quick: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    return { values, benches: chosen(values.only) }
  } catch (error) {
    console.error(`${(error as Error).message} (--help lists the options and the benches)`)
    process.exit(WRONG_USAGE)
  }
}

function chosen(only: string | undefined): Bench[] {
  if (only === undefined) return BENCHES
  return only.split(',').map(name => {
    const bench = BENCHES.find(candidate => candidate.name === name)
    if (!bench) throw new Error(`no bench is named "${name}"`)
    return bench
  })
}

/** On a terminal each line replaces the one before. */
function say(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${line}`)
}
