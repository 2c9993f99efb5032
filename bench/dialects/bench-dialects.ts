/**
 * What an adapter costs: the same answer written for another platform and in the style that its adapter makes of it. CPU
 * time of a call, and of the boot. Dialects whose own framework does the work (Koa, Fastify, …) are left out.
 */
import { load, type LoadResult } from '../proxy/load.ts'
import type { AdapterUse } from '../../agent/src/languages/node/checker/index.ts'
import { ANSWER, buildFunction, functionCommand, HANDLERS } from '../support/built-function.ts'
import { takeTurns } from '../support/figures.ts'
import { threadsCpuMs } from '../support/processes.ts'
import { freePort, startProgram, type Program } from '../support/programs.ts'
import { figure, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'

const CONNECTIONS = 16
const text = JSON.stringify(ANSWER)

interface Candidate {
  name: string
  source: string
  /** Absent: a handler of our own. */
  adapter?: AdapterUse
  /** What its adapter makes of it. */
  bare: 'node' | 'web'
}

const lambda = (event: string): AdapterUse => ({ name: 'awsLambda', options: { event }, setup: 'provideAwslambda' })

const CANDIDATES: Candidate[] = [
  { name: 'Node style', source: HANDLERS.node, bare: 'node' },
  { name: 'web style', source: HANDLERS.web, bare: 'web' },
  {
    name: 'fetch server',
    source: `export const Hello = { fetch: (_request: Request) => new Response(${text}) }\n`,
    adapter: { name: 'fetchObject' },
    bare: 'web',
  },
  {
    name: 'route module',
    source: `export const GET = (_request: Request) => new Response(${text})\nexport const Hello = { GET }\n`,
    adapter: { name: 'routeModule', options: { passes: 'params' } },
    bare: 'web',
  },
  {
    name: 'AWS Lambda, function URL',
    source: `export const Hello = async () => ({ statusCode: 200, body: ${text} })\n`,
    adapter: lambda('url'),
    bare: 'node',
  },
  {
    name: 'AWS Lambda, API Gateway v1',
    source: `export const Hello = async () => ({ statusCode: 200, body: ${text}, headers: {} })\n`,
    adapter: lambda('gateway'),
    bare: 'node',
  },
  {
    name: 'AWS Lambda, SQS',
    source: `export const Hello = async () => ({ batchItemFailures: [] })\n`,
    adapter: lambda('queue'),
    bare: 'node',
  },
  {
    name: 'Vercel function',
    source: `export const Hello = (_request: unknown, response: { send(body: string): void }) => response.send(${text})\n`,
    adapter: { name: 'vercel' },
    bare: 'node',
  },
  {
    name: 'OpenFaaS function',
    source: `export const Hello = async () => ${text}\n`,
    adapter: { name: 'openfaas' },
    bare: 'node',
  },
]

export const dialectsBench: Bench = {
  name: 'dialects',
  title: 'Adapters of dialects',
  method: `The same answer written for another platform, and in the style that its adapter makes of it: wrk with ${CONNECTIONS} connections straight to the function's process, whose CPU time is counted per call, and its CPU time from spawn to first response. Turns alternate; of each the cheapest turn counts, because all that disturbs a turn makes it dearer.`,
  run: benchDialects,
}

async function benchDialects(stage: Stage): Promise<Report> {
  const built: { candidate: Candidate; dir: string; entry: string }[] = []
  for (const candidate of CANDIDATES) {
    const { source, adapter, bare } = candidate
    built.push({ candidate, ...(await buildFunction(stage.folder, adapter ?? bare, source)) })
  }
  const boots = await takeTurns(built, stage.quick ? 5 : 21, async ({ candidate, dir, entry }, round) => {
    stage.say(`boot, round ${round + 1}: ${candidate.name}`)
    const program = await startProgram(stage, functionCommand({ dir, entry }, await freePort()))
    const cpuMs = threadsCpuMs(program.pid)
    await program.stop()
    return cpuMs
  })
  const running: Program[] = []
  for (const one of built) running.push(await startProgram(stage, functionCommand(one, await freePort())))
  for (const program of running) await load(program, { seconds: 1, connections: CONNECTIONS })
  const calls = await takeTurns(running, stage.quick ? 3 : 9, (program, round) => {
    stage.say(`calls, round ${round + 1}`)
    return load(program, { seconds: stage.quick ? 1 : 2, connections: CONNECTIONS })
  })
  return reportOf(boots, calls)
}

function reportOf(boots: number[][], calls: LoadResult[][]): Report {
  const least = {
    callUs: calls.map(turns => Math.min(...turns.map(({ cpuUs }) => cpuUs))),
    bootMs: boots.map(turns => Math.min(...turns)),
  }
  const costs = CANDIDATES.map(({ bare }, index) => {
    const reference = CANDIDATES.findIndex(candidate => !candidate.adapter && candidate.bare === bare)
    return {
      callUs: least.callUs[index]! - least.callUs[reference]!,
      callRatio: least.callUs[index]! / least.callUs[reference]!,
      bootMs: least.bootMs[index]! - least.bootMs[reference]!,
    }
  })
  const most = (values: number[]) => Math.max(...values)
  return {
    tables: [
      {
        head: ['', 'CPU µs/call', 'adapter µs', '× bare', 'boot CPU ms', 'adapter ms'],
        rows: CANDIDATES.map(({ name, adapter }, index) => {
          const { callUs, callRatio, bootMs } = costs[index]!
          return [
            name,
            figure(least.callUs[index]!),
            adapter ? callUs.toFixed(1) : '',
            `${callRatio.toFixed(2)} ×`,
            figure(least.bootMs[index]!),
            adapter ? bootMs.toFixed(1) : '',
          ]
        }),
      },
    ],
    goals: [
      {
        what: 'CPU time of a call in an adapter, most',
        measured: most(costs.map(({ callUs }) => callUs)) / 1000,
        unit: 'ms',
        bound: { kind: 'at most', limit: 0.01 },
      },
      {
        what: 'CPU time of the boot, most that an adapter adds',
        measured: most(costs.map(({ bootMs }) => bootMs)),
        unit: 'ms',
        bound: { kind: 'at most', limit: 5 },
      },
    ],
  }
}
