/**
 * A platform with a thousand functions of which twenty are in use, beside one with these twenty alone: what memory the
 * others take, and what a call costs.
 */
import { join } from 'node:path'
import { Agent, fetch } from 'undici'
import { writeProject, type TestPlatform } from '../../agent/test/support/platform.ts'
import { median, ratio, takeTurns } from '../support/figures.ts'
import { startPlatform } from '../support/platform.ts'
import { childrenOf, commandOf, memoryOf } from '../support/processes.ts'
import { until } from '../support/programs.ts'
import { figure, times, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'

const IN_USE = 20
const GOAL_MIB = 1_024
const GOAL_HOP = 1.05
const MIB = 1024 ** 2
/** The deploy file of a thousand is deployed in pieces, as teams would. */
const AT_ONCE = 50

export const thousandBench: Bench = {
  name: 'thousand',
  title: 'A thousand functions',
  method: `Two platforms with processes: one with 1,000 functions, of which ${IN_USE} are called in turn and the others are gone, and one with these ${IN_USE} alone. Memory is the PSS of all processes of a platform but nats-server, beyond that of the same platform before anything was deployed; the compiler, which leaves when nobody has deployed for a quarter of an hour, is counted apart. A hop is a call through the proxy, one at a time; turns of both alternate.`,
  run: benchThousand,
}

interface Candidate {
  name: string
  platform: TestPlatform
  functions: number
  before: number
  deployMs: number
}

async function benchThousand(stage: Stage): Promise<Report> {
  const counts = [IN_USE, stage.quick ? 100 : 1_000]
  const candidates: Candidate[] = []
  for (const functions of counts) candidates.push(await deployed(stage, functions))
  const dispatcher = new Agent({ connections: 1 })
  stage.onEnd(() => dispatcher.close())
  const hops = await takeTurns(candidates, stage.quick ? 10 : 40, (candidate, round) => {
    stage.say(`thousand: hop ${round + 1}`)
    return hopMs(candidate, dispatcher)
  })
  const memory = await Promise.all(
    candidates.map(async ({ platform, before }) => {
      const { all, compiler } = await pssBytes(platform)
      return { beyond: all - before, compiler }
    }),
  )
  const hop = ratio(hops[1]!, hops[0]!)
  const rows = candidates.map(({ name, deployMs, functions }, index) => [
    name,
    figure(memory[index]!.beyond / MIB),
    figure(memory[index]!.compiler / MIB),
    figure(median(hops[index]!)),
    times(ratio(hops[index]!, hops[0]!)),
    figure(deployMs / functions),
  ])
  return {
    tables: [{ head: ['', 'MiB beyond the platform', 'compiler MiB', 'hop ms', '× alone', 'deploy, ms each'], rows }],
    goals: [
      {
        what: `${counts[1]} functions, ${IN_USE} in use: memory beyond the platform`,
        ...{ measured: memory[1]!.beyond / MIB, unit: 'MiB', bound: { kind: 'at most', limit: GOAL_MIB } },
      },
      {
        what: `${counts[1]} functions: a hop, to that with ${IN_USE}`,
        ...{ measured: hop, unit: '×', bound: { kind: 'at most', limit: GOAL_HOP } },
      },
    ],
  }
}

async function deployed(stage: Stage, functions: number): Promise<Candidate> {
  const platform = await startPlatform(stage, 'process', ['--max-instances', '100'])
  const { all: before } = await pssBytes(platform)
  const begin = performance.now()
  for (let from = 0; from < functions; from += AT_ONCE) {
    stage.say(`thousand: deploying ${from} of ${functions}`)
    const names = Array.from({ length: Math.min(AT_ONCE, functions - from) }, (_, index) => from + index)
    const entries = names.map(number => [`f${number}`, { code: codeOf(number), options: optionsOf(number) }])
    const folder = join(stage.folder, `of-${functions}`, String(from))
    await platform.ok(['deploy', await writeProject(folder, Object.fromEntries(entries))])
  }
  const deployMs = performance.now() - begin
  await untilGone(platform)
  return { name: `${functions} functions`, platform, functions, before, deployMs }
}

const codeOf = (number: number) => `export const fn = () => new Response('${number}')`
const optionsOf = (number: number) => ({
  export: 'fn',
  scale: number < IN_USE ? { idleMs: 600_000 } : { idleMs: 100, keepMs: 0 },
})

async function untilGone(platform: TestPlatform): Promise<void> {
  const client = await platform.client()
  await until(async () => {
    const { resources } = await client.call('resources', {})
    const left = resources.filter(({ type }) => type === 'instance').length
    if (left > IN_USE) throw new Error(`${left} instances are there`)
  })
}

/** Of a call to each that is in use, on average. */
async function hopMs({ platform }: Candidate, dispatcher: Agent): Promise<number> {
  const { proxyUrl } = await platform.view()
  const took: number[] = []
  for (let number = 0; number < IN_USE; number += 1) {
    for (let call = 0; call < 5; call += 1) {
      const begin = performance.now()
      const response = await fetch(`${proxyUrl}/functions/f${number}`, { dispatcher })
      if (response.status !== 200) throw new Error(`f${number} answered ${response.status}`)
      await response.text()
      took.push(performance.now() - begin)
    }
  }
  return median(took)
}

/** Of all its processes, functions included, and of the compiler. */
async function pssBytes(platform: TestPlatform): Promise<{ all: number; compiler: number }> {
  const { parts } = await platform.view()
  const { resources } = await (await platform.client()).call('resources', {})
  const own = parts.flatMap(({ name, pid }) => (name === 'nats' || pid === undefined ? [] : [pid]))
  const functions = resources.flatMap(({ name }) => Number(/\bpid (\d+)/.exec(name)?.[1] ?? []))
  const pids = new Set([...own, ...functions.filter(pid => pid > 0)])
  const agent = parts.find(({ name }) => name === 'agent')!.pid!
  const compilers = childrenOf(agent).filter(pid => commandOf(pid).includes('checker-main'))
  // Processes that wait for a function.
  for (const pid of childrenOf(agent))
    if (!compilers.includes(pid) && !parts.some(part => part.pid === pid)) pids.add(pid)
  const sum = (all: Iterable<number>) => [...all].reduce((total, pid) => total + memoryOf(pid).pssBytes, 0)
  return { all: sum(pids), compiler: sum(compilers) }
}
