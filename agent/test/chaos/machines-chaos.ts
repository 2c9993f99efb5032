/**
 * Kills and cuts off whole machines, one at a time, under load, and counts what is lost: nothing that was acknowledged may be.
 *
 *     npx tsx --conditions=source agent/test/chaos/machines-chaos.ts --seed 1 --rounds 4 --seconds 300
 *
 * Needs the build (`npm run build`), root, and Linux with network namespaces. Exits 1 if anything is wrong.
 */
import { cp, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { MachineCluster } from '../support/machine-cluster.ts'
import { runMachinesChaos, type MachinesReport } from './machines-run.ts'

/** Of a fault, as it is printed. */
const WIDEST = 400

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '4' },
    /** Time limit, without what it takes to start the machines. */
    seconds: { type: 'string', default: '300' },
    /** Calls and writes per second. */
    rate: { type: 'string', default: '500' },
  },
})

const begin = performance.now()
const cluster = await MachineCluster.start()
console.error(`three machines in ${((performance.now() - begin) / 1_000).toFixed(1)} s`)
let isClean = false
try {
  const report = await runMachinesChaos(cluster, {
    seed: Number(values.seed),
    rounds: Number(values.rounds),
    perSecond: Number(values.rate),
    limitMs: Number(values.seconds) * 1_000,
    say: line => console.error(line),
  })
  print(report)
  isClean = report.faults.length === 0
} finally {
  if (!isClean) {
    const kept = await mkdtemp(join(tmpdir(), 'machines-chaos-'))
    for (const { machine, platform } of cluster.members) {
      const folder = join(kept, machine.name)
      await cp(join(platform.home, 'logs'), folder, { recursive: true }).catch(() => undefined)
      await cp(cluster.natsLog(machine), join(folder, 'nats.log')).catch(() => undefined)
    }
    await writeFile(join(kept, 'streams.json'), await cluster.streams().catch((error: Error) => error.message))
    console.log(`\nlogs are kept in ${kept}`)
    process.exitCode = 1
  }
  await cluster.remove()
}

function print({ faults, sync, ...of }: MachinesReport): void {
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
  const rows = [
    ['seed, rounds', `${values.seed}, ${of.troubles.length} of ${values.rounds}`],
    [
      'synchronous calls',
      `${sync.sent} sent, ${(sync.sent / (of.underFireMs / 1_000)).toFixed(0)}/s; ${sync.failures.length} failed, ${sync.skipped} not sent`,
    ],
    ['slowest that succeeded', `${Math.max(0, ...sync.slow.map(({ ms }) => ms)).toFixed(0)} ms`],
    ['asynchronous calls', `${of.accepted} accepted; ${of.repeatedRuns} runs beyond the first`],
    ['documents', `${of.writes} writes, ${of.events} events; ${of.repeatedEvents} runs beyond the first`],
    ['sent again', `${of.unanswered} calls and writes without an answer`],
    ['schedule', `${of.times} runs`],
    ['duration', `${seconds(of.underFireMs)} under fire, ${seconds(of.settlingMs)} until the last was over`],
    ['lost or wrong', String(faults.length)],
  ] as const
  for (const [name, value] of rows) console.log(`${name.padEnd(23)} ${value}`)
  for (const { trouble, failures, lastSentMs, longestMs } of of.lost) {
    const { kind, machine, ledAgainMs, deployedMs, wholeMs } = trouble
    const led = ledAgainMs === undefined ? '' : `another leads after ${seconds(ledAgainMs)}, `
    console.log(
      `  ${kind} (${machine}): ${failures} synchronous calls lost, the last sent after ${seconds(lastSentMs)}, the longest took ${seconds(longestMs)}; ` +
        `${led}deployed after ${seconds(deployedMs)}, used again after ${seconds(wholeMs)}`,
    )
  }
  for (const [first, count] of alike(faults)) {
    const text = `  FAULT ${count === 1 ? '' : `(${count} alike) `}${first}`
    console.log(text.length > WIDEST ? `${text.slice(0, WIDEST)}…` : text)
  }
}

/** Faults that differ in ids and numbers only, by the first of them: many of one kind must not hide another. */
function alike(faults: readonly string[]): Iterable<[first: string, count: number]> {
  const kinds = new Map<string, [string, number]>()
  for (const fault of faults) {
    const kind = fault.replace(/\b\w*\d\w*\b/g, '#')
    kinds.set(kind, [kinds.get(kind)?.[0] ?? fault, (kinds.get(kind)?.[1] ?? 0) + 1])
  }
  return kinds.values()
}
