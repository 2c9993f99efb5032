/** The memory of the platform's own processes at rest, with nothing deployed. How long it takes to start: bench/start. */
import { startPlatform } from '../support/platform.ts'
import { functionNode } from '../support/places.ts'
import { childrenOf, memoryOf } from '../support/processes.ts'
import { pause, startProgram, freePort } from '../support/programs.ts'
import { bareServer } from '../support/built-function.ts'
import { figure, times, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const GOAL_MIB = 250
const MIB = 1024 ** 2
/** By then the agent has loaded what it loads when it is idle. */
const SETTLE_MS = 8_000
const COMPILER = 'compiler (ends when idle)'
/** Not of ours, or not at rest. */
const NOT_COUNTED = new Set(['nats', COMPILER])

export const platformBench: Bench = {
  name: 'platform',
  title: 'The platform at rest',
  method:
    'Memory of each part of a platform on Docker, started and left alone (PSS divides shared pages among the processes that share them, own counts unshared pages), next to a bare node:http server. The sum leaves out nats-server and the compiler, which is loaded for the first deploy and ends when nobody deploys.',
  run: benchPlatform,
}

async function benchPlatform(stage: Stage): Promise<Report> {
  const bare = await startBare(stage)
  stage.say('platform: starting')
  const platform = await startPlatform(stage, 'docker')
  stage.say('platform: settling')
  await pause(SETTLE_MS)
  const { parts } = await platform.view()
  const processes = parts.flatMap(({ name, pid }) => (pid === undefined ? [] : [{ name: name, pid }]))
  const agent = processes.find(({ name }) => name === 'agent')!
  const compilers = childrenOf(agent.pid).filter(pid => processes.every(part => part.pid !== pid))
  const all = [...processes, ...compilers.map(pid => ({ name: COMPILER, pid }))]
  const measured = all.map(({ name, pid }) => ({ name, ...memoryOf(pid) }))
  const ofOurs = measured.filter(({ name }) => !NOT_COUNTED.has(name)).reduce((sum, { pssBytes }) => sum + pssBytes, 0)
  const reference = memoryOf(bare)
  const row = (name: string, pssBytes: number, ownBytes?: number) => [
    name,
    figure(pssBytes / MIB),
    times(pssBytes / reference.pssBytes),
    ownBytes === undefined ? '' : figure(ownBytes / MIB),
  ]
  return {
    tables: [
      {
        head: ['', 'PSS MiB', '× bare', 'own MiB'],
        rows: [
          row('bare node:http', reference.pssBytes, reference.ownBytes),
          ...measured.map(({ name, pssBytes, ownBytes }) => row(name, pssBytes, ownBytes)),
          row('agent, proxy, store, dispatcher, keeper', ofOurs),
        ],
      },
    ],
    goals: [
      {
        what: 'the platform at rest (PSS), without NATS',
        measured: ofOurs / MIB,
        unit: 'MiB',
        bound: { kind: 'at most', limit: GOAL_MIB },
      },
    ],
  }
}

async function startBare(stage: Stage): Promise<number> {
  const file = join(stage.folder, 'bare.cjs')
  await writeFile(file, bareServer('127.0.0.1'))
  const port = await freePort()
  const env = { PORT: String(port) }
  return (await startProgram(stage, { command: functionNode, args: [file], env, url: `http://127.0.0.1:${port}/` })).pid
}
