/**
 * A function's process from spawn to its first response, and its idle memory, compared with a bare server that does the
 * same and with Google's framework. All on the same Node, started and stopped in turn, never two at once.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ANSWER, bareServer, buildFunction, functionCommand } from '../support/built-function.ts'
import { median, quantile, ratio, takeTurns } from '../support/figures.ts'
import { functionNode, functionsFramework } from '../support/places.ts'
import { memoryOf, type Memory } from '../support/processes.ts'
import { freePort, pause, startProgram, type Command } from '../support/programs.ts'
import { figure, times, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'

const BARE = 'bare node:http'
const OURS = 'ours, Node style'
const MIB = 1024 ** 2
/** Time for a process to become idle after its first response. */
const SETTLE_MS = 300

interface Candidate {
  name: string
  command(port: number): Command
}

type Boot = Memory & { bootMs: number }

export const bootBench: Bench = {
  name: 'boot',
  title: 'Boot of a function',
  method:
    'Time from spawn to first response of a Node 24 process, and its memory once idle (PSS divides shared pages among the processes that share them, own counts unshared pages). Our functions are bundled by the builder and run as the process engine runs them.',
  run: benchBoot,
}

async function benchBoot(stage: Stage): Promise<Report> {
  const rounds = stage.quick ? 5 : 25
  const all = await candidates(stage)
  const results = await takeTurns(all, rounds, async (candidate, round) => {
    if (candidate === all[0]) stage.say(`round ${round + 1} of ${rounds}`)
    return boot(stage, candidate)
  })
  const bare = results[0]!
  const ours = results[all.findIndex(({ name }) => name === OURS)]!
  const against = (own: Boot[], key: keyof Boot) => ratio(pick(own, key), pick(bare, key))
  return {
    tables: [
      {
        head: ['', 'boot ms', 'p90', '× bare', 'PSS MiB', '× bare', 'own MiB', '× bare', 'RSS MiB'],
        rows: all.map(({ name }, index) => {
          const own = results[index]!
          const mib = (key: keyof Memory) => figure(median(pick(own, key)) / MIB)
          return [
            name,
            figure(median(pick(own, 'bootMs'))),
            figure(quantile(pick(own, 'bootMs'), 0.9)),
            times(against(own, 'bootMs')),
            mib('pssBytes'),
            times(against(own, 'pssBytes')),
            mib('ownBytes'),
            times(against(own, 'ownBytes')),
            mib('rssBytes'),
          ]
        }),
      },
    ],
    goals: [
      {
        what: 'boot, ours to bare node:http',
        measured: against(ours, 'bootMs'),
        unit: '×',
        bound: { kind: 'at most', limit: 1.6 },
      },
      {
        what: 'idle memory (PSS), ours to bare node:http',
        measured: against(ours, 'pssBytes'),
        unit: '×',
        bound: { kind: 'at most', limit: 1.25 },
      },
    ],
  }
}

async function boot(stage: Stage, { command }: Candidate): Promise<Boot> {
  const program = await startProgram(stage, command(await freePort()))
  await pause(SETTLE_MS)
  const memory = memoryOf(program.pid)
  await program.stop()
  return { ...memory, bootMs: program.bootMs }
}

async function candidates(stage: Stage): Promise<Candidate[]> {
  const [node, web] = await Promise.all([buildFunction(stage.folder, 'node'), buildFunction(stage.folder, 'web')])
  const bare = join(stage.folder, 'bare.cjs')
  await writeFile(bare, bareServer('127.0.0.1'))
  const framework = await frameworkFunction(stage.folder)
  return [
    { name: BARE, command: port => nodeCommand([bare], port) },
    { name: OURS, command: port => functionCommand(node, port) },
    { name: 'ours, web style', command: port => functionCommand(web, port) },
    { name: 'functions-framework', command: port => framework(port) },
  ]
}

/** The same handler under Google's framework, run as in its documentation. */
export async function frameworkFunction(
  folder: string,
  code = `exports.Hello = (request, response) => response.end(${JSON.stringify(ANSWER)})\n`,
): Promise<(port: number) => Command> {
  const source = join(folder, 'framework')
  await mkdir(source, { recursive: true })
  await writeFile(join(source, 'index.js'), code)
  return port => nodeCommand([functionsFramework, '--target=Hello', `--source=${source}`, `--port=${port}`], port)
}

function nodeCommand(args: string[], port: number): Command {
  const env = { PORT: String(port), HOST: '127.0.0.1', NODE_ENV: 'production' }
  return { command: functionNode, args, env, url: `http://127.0.0.1:${port}/` }
}

function pick<Key extends keyof Boot>(boots: Boot[], key: Key): number[] {
  return boots.map(boot => boot[key])
}
