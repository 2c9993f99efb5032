/**
 * `startFaas` until it returns: agent, NATS, proxy, keeper, and every deployed function, with images already there.
 * The agent's log shows where the time goes. For comparison: a bare nats-server, alone and beside a Node that listens, and
 * a Node that does nothing.
 */
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { writeProject, type TestPlatform } from '../../agent/test/support/platform.ts'
import { HANDLERS } from '../support/built-function.ts'
import { median, quantile, ratio, takeTurns } from '../support/figures.ts'
import { ENGINES, startPlatform, type EngineName } from '../support/platform.ts'
import { functionNode } from '../support/places.ts'
import { freePort, run, textOf, until } from '../support/programs.ts'
import { figure, times, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'
import { spawn } from 'node:child_process'

const DOCKER_GOAL_MS = 1000

export const startBench: Bench = {
  name: 'start',
  title: 'Start of the platform',
  method:
    '`ryo-faas startFaas` from spawn to exit, with images present, with nothing deployed and with one function; for comparison, nats-server alone until it greets, the same beside a Node with a bare node:http server, and a Node that does nothing. The steps of the agent overlap.',
  run: benchStart,
}

interface Candidate {
  name: string
  /** Returns milliseconds. */
  measure(): Promise<number>
  /** Where the time of the last measurement went. */
  phases?: () => Promise<Map<string, number>>
}

async function benchStart(stage: Stage): Promise<Report> {
  const rounds = stage.quick ? 2 : 7
  const candidates: Candidate[] = [
    { name: 'node -e 0', measure: () => timed(() => run(functionNode, ['-e', '0'])) },
    { name: 'nats-server', measure: () => startNats(stage) },
    { name: 'nats-server, bare node:http', measure: () => startBoth(stage) },
  ]
  for (const engine of ENGINES) {
    candidates.push(await ours(stage, { engine, functions: 0 }), await ours(stage, { engine, functions: 1 }))
  }
  const phases = new Map<string, Map<string, number>[]>(candidates.map(({ name }) => [name, []]))
  const results = await takeTurns(candidates, rounds, async (candidate, round) => {
    stage.say(`start ${round + 1} of ${rounds}: ${candidate.name}`)
    const elapsedMs = await candidate.measure()
    if (candidate.phases) phases.get(candidate.name)!.push(await candidate.phases())
    return elapsedMs
  })
  const rows = candidates.map(({ name }, index) => [
    name,
    figure(median(results[index]!)),
    figure(quantile(results[index]!, 0.9)),
    times(ratio(results[index]!, results[1]!)),
  ])
  const seen = candidates.filter(({ phases }) => phases)
  const names = [...new Set(seen.flatMap(({ name }) => phases.get(name)!.flatMap(phase => [...phase.keys()])))]
  const docker = results[candidates.findIndex(({ name }) => name === nameOf({ engine: 'docker', functions: 1 }))]!
  return {
    tables: [
      { head: ['', 'ms', 'p90', '× nats-server'], rows },
      {
        title: 'its phases and steps in the agent, ms',
        head: ['', ...names],
        rows: seen.map(({ name }) => [
          name,
          ...names.map(phase => figure(median(phases.get(name)!.flatMap(found => found.get(phase) ?? [])))),
        ]),
      },
    ],
    goals: [
      {
        what: 'startFaas with one function, docker',
        measured: median(docker),
        unit: 'ms',
        bound: { kind: 'at most', limit: DOCKER_GOAL_MS },
      },
    ],
  }
}

function nameOf({ engine, functions }: { engine: EngineName; functions: number }): string {
  return `startFaas, ${engine}, ${functions === 0 ? 'nothing deployed' : 'one function'}`
}

async function ours(stage: Stage, what: { engine: EngineName; functions: number }): Promise<Candidate> {
  const platform = await startPlatform(stage, what.engine)
  if (what.functions > 0) {
    const folder = join(stage.folder, `start-${what.engine}`)
    await platform.ok(['deploy', await writeProject(folder, { Hello: { code: HANDLERS.node } })])
  }
  // One that runs loads the compiler when it has started, which would take a core from the next.
  await platform.ok(['stopFaas'])
  let startedAt = 0
  return {
    name: nameOf(what),
    measure: async () => {
      startedAt = Date.now()
      const elapsedMs = await timed(() => platform.start(what.engine))
      await platform.ok(['stopFaas'])
      return elapsedMs
    },
    phases: () => phasesOf(platform, startedAt),
  }
}

interface LogLine {
  time: string
  phase?: { kind: string; doing?: string }
  timeline?: { name: string; fromMs: number; toMs: number }[]
}

/** The agent logs the start of each phase; before the first one, two Nodes start. */
async function phasesOf(platform: TestPlatform, startedAt: number): Promise<Map<string, number>> {
  const phases = new Map<string, number>()
  let before = { name: 'command and agent up', at: startedAt }
  for (const line of (await readFile(join(platform.home, 'logs', 'agent.log'), 'utf8')).split('\n')) {
    if (!line.startsWith('{')) continue
    const entry = JSON.parse(line) as LogLine
    const at = Date.parse(entry.time)
    if (at >= startedAt) for (const { name, fromMs, toMs } of entry.timeline ?? []) phases.set(name, toMs - fromMs)
    if (!entry.phase || at < startedAt) continue
    phases.set(before.name, at - before.at)
    before = { name: entry.phase.doing ?? entry.phase.kind, at }
  }
  return phases
}

async function startNats(stage: Stage): Promise<number> {
  const port = await freePort()
  const args = ['--addr', '127.0.0.1', '--port', String(port), '--jetstream', '--store_dir', join(stage.folder, 'nats')]
  const begin = performance.now()
  const child = spawn('nats-server', args, { stdio: 'ignore' })
  const gone = new Promise<void>(resolve => child.once('exit', () => resolve()))
  const stop = async () => {
    child.kill('SIGTERM')
    await gone
  }
  stage.onEnd(stop)
  await until(() => greeting(port))
  const elapsedMs = performance.now() - begin
  await stop()
  return elapsedMs
}

/** The least that a platform of two processes takes. */
async function startBoth(stage: Stage): Promise<number> {
  const port = await freePort()
  const code = `require('node:http').createServer((_, response) => response.end()).listen(${port}, '127.0.0.1')`
  const begin = performance.now()
  const node = spawn(functionNode, ['-e', code], { stdio: 'ignore' })
  stage.onEnd(async () => void node.kill('SIGKILL'))
  const untilListening = until(async () => {
    if ((await textOf(`http://127.0.0.1:${port}/`)) === undefined) throw new Error('it does not listen yet')
    return performance.now() - begin
  })
  const [nats, listening] = await Promise.all([startNats(stage), untilListening])
  node.kill('SIGKILL')
  return Math.max(nats, listening)
}

function greeting(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('data', () => resolve(void socket.destroy()))
    socket.once('error', reject)
  })
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now()
  await work()
  return performance.now() - begin
}
