/**
 * Functions in Go and Python next to the same in Node: from an edit to its answer in a container, boot and memory of a
 * process next to a bare server of the language, and throughput through one proxy.
 */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { GO_CACHE } from '../../agent/test/support/go-cache.ts'
import { TestPlatform } from '../../agent/test/support/platform.ts'
import { PYTHON_ENVIRONMENT, SYSTEM_PYTHON } from '../../agent/test/support/python-environment.ts'
import { ENV } from '../../runtime/src/protocol/index.ts'
import { load } from '../proxy/load.ts'
import { median, quantile, ratio, takeTurns } from '../support/figures.ts'
import { functionNode } from '../support/places.ts'
import { untilSettled } from '../support/platform.ts'
import { memoryOf, type Memory } from '../support/processes.ts'
import { freePort, pause, run, startProgram, untilAnswer, type Command } from '../support/programs.ts'
import { figure, times, type Bench, type Figures, type Goal, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'

const CONNECTIONS = 64
const MIB = 1024 ** 2
/** Time for a process to become idle after its first response. */
const SETTLE_MS = 300
const GO_ENVIRONMENT = { ...process.env, CGO_ENABLED: '0', GOCACHE: GO_CACHE, GOPROXY: 'off', GOFLAGS: '' }

const CODE = {
  Go: (text: string) => `package hello

import (
	"fmt"
	"net/http"
)

func Go(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, "${text}")
}
`,
  Python: (text: string) => `def Python(request):\n    return '${text}'\n`,
  Node: (text: string) => `import type { IncomingMessage, ServerResponse } from 'node:http'
export const Node = (_request: IncomingMessage, response: ServerResponse) => response.end('${text}')
`,
}
type Language = keyof typeof CODE
const LANGUAGES = Object.keys(CODE) as Language[]
const FILES: Record<Language, string> = { Go: 'go/hello.go', Python: 'python/hello.py', Node: 'node/hello.ts' }

/** What the language itself does, without us. */
const BARE = {
  Go: (text: string) => `package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "${text}")
	}))
}
`,
  Python: `import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'hello')

    def log_message(self, *_):
        pass

ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
`,
}

export const languagesBench: Bench = {
  name: 'languages',
  title: 'Functions in Go and Python',
  method: `Edit: one line, deployed through the command line into a container, until the new answer comes through the proxy; next to it \`go build\` alone of a bare server after the same edit, with the same warm cache. Boot: from spawn to first response of a process, and its memory once idle, next to a bare server of the language. Calls: wrk with ${CONNECTIONS} connections through one proxy to one container each. Turns alternate.`,
  run: benchLanguages,
}

async function benchLanguages(stage: Stage): Promise<Report> {
  const ours = await deployed(stage)
  const bareGo = await bareGoServer(stage)
  const edits = await benchEdits(stage, ours, bareGo)
  const calls = await benchCalls(stage, ours)
  const boots = await benchBoots(stage, await processes(stage, ours, bareGo))
  return {
    tables: [edits.table, boots.table, calls.table],
    goals: [
      atMost('edit in Go to its answer', edits.medianOf('ours, Go'), [1_000, 'ms']),
      atMost('edit in Python to its answer', edits.medianOf('ours, Python'), [500, 'ms']),
      atMost('boot of a function in Go', boots.medianOf('ours, Go', 'bootMs'), [30, 'ms']),
      atMost('memory of its own of a function in Go', boots.medianOf('ours, Go', 'ownBytes') / MIB, [8, 'MiB']),
      {
        what: 'throughput through the proxy, Go to Node',
        ...{ measured: calls.ratioOf('Go', 'Node'), unit: '×', bound: { kind: 'at least', limit: 1 } },
      },
    ],
  }
}

function atMost(what: string, measured: number, [limit, unit]: [number, 'ms' | 'MiB']): Goal {
  return { what, measured, unit, bound: { kind: 'at most', limit } }
}

interface Ours {
  platform: TestPlatform
  project: string
  urlOf(language: Language): string
}

/** All three on one platform with containers. */
async function deployed(stage: Stage): Promise<Ours> {
  const platform = await TestPlatform.make({ ...PYTHON_ENVIRONMENT, GOCACHE: GO_CACHE })
  stage.onEnd(() => platform.remove())
  const { proxyUrl } = await platform.start('docker', ['--pool', '2'])
  const project = join(stage.folder, 'project')
  const deploy = LANGUAGES.map(name => ({
    ...{ name, packageDir: `./${dirname(FILES[name])}`, filePath: `./${FILES[name]}`, instances: 1 },
  }))
  for (const language of LANGUAGES) {
    const file = join(project, FILES[language])
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, CODE[language]('hello'))
  }
  await writeFile(join(project, 'deploy.json'), JSON.stringify({ deploy }))
  await platform.ok(['deploy', project])
  return { platform, project, urlOf: language => `${proxyUrl}/functions/${language.toLowerCase()}` }
}

interface BareGo {
  program: string
  build(text: string): Promise<void>
}

async function bareGoServer(stage: Stage): Promise<BareGo> {
  const folder = join(stage.folder, 'bare-go')
  await mkdir(folder)
  await writeFile(join(folder, 'go.mod'), 'module bare\n\ngo 1.22\n')
  const program = join(folder, 'server')
  const build = async (text: string) => {
    await writeFile(join(folder, 'main.go'), BARE.Go(text))
    const flags = ['-trimpath', '-ldflags=-s -w', '-buildvcs=false', '-o', program]
    await run('go', ['build', ...flags, '.'], { cwd: folder, env: GO_ENVIRONMENT })
  }
  await build('hello')
  return { program, build }
}

async function benchEdits(stage: Stage, { platform, project, urlOf }: Ours, bareGo: BareGo) {
  const rounds = stage.quick ? 2 : 9
  let edits = 0
  const edit = async (language: Language): Promise<number> => {
    await untilSettled(platform)
    const text = `edit ${(edits += 1)}`
    const begin = performance.now()
    await writeFile(join(project, FILES[language]), CODE[language](text))
    const failure = new AbortController()
    const deploying = platform.ok(['deploy', project, '--only', language]).catch((error: unknown) => {
      failure.abort(error)
      throw error
    })
    const [at] = await Promise.all([untilAnswer(urlOf(language), text, { signal: failure.signal }), deploying])
    return at - begin
  }
  const ways = [
    ...LANGUAGES.map(language => ({ name: `ours, ${language}`, measure: () => edit(language) })),
    {
      name: 'go build alone',
      measure: async () => {
        const begin = performance.now()
        await bareGo.build(`edit ${(edits += 1)}`)
        return performance.now() - begin
      },
    },
  ]
  const results = await takeTurns(ways, rounds, ({ name, measure }, round) => {
    stage.say(`edit ${round + 1} of ${rounds}: ${name}`)
    return measure()
  })
  const table: Figures = {
    title: 'one-line edit',
    head: ['', 'ms', 'p90'],
    rows: ways.map(({ name }, index) => [
      name,
      figure(median(results[index]!)),
      figure(quantile(results[index]!, 0.9)),
    ]),
  }
  return { table, medianOf: (name: string) => median(results[ways.findIndex(way => way.name === name)]!) }
}

async function benchCalls(stage: Stage, { platform, urlOf }: Ours) {
  const rounds = stage.quick ? 3 : 7
  const seconds = stage.quick ? 1 : 3
  const { parts } = await platform.view()
  const { pid } = parts.find(({ name }) => name === 'proxy')!
  const target = (language: Language) => ({ url: urlOf(language), pid: pid! })
  for (const language of LANGUAGES) await load(target(language), { seconds: 1, connections: CONNECTIONS })
  const results = await takeTurns(LANGUAGES, rounds, (language, round) => {
    stage.say(`calls, round ${round + 1} of ${rounds}: ${language}`)
    return load(target(language), { seconds, connections: CONNECTIONS })
  })
  const rates = (language: Language) =>
    results[LANGUAGES.indexOf(language)]!.map(({ requestsPerSecond }) => requestsPerSecond)
  const table: Figures = {
    title: 'calls through the proxy',
    head: ['', 'req/s', '× Node', 'p50 ms', 'p99 ms', 'failures'],
    rows: LANGUAGES.map((language, index) => {
      const own = results[index]!
      return [
        language,
        figure(median(rates(language))),
        times(ratio(rates(language), rates('Node'))),
        figure(median(own.map(({ p50Ms }) => p50Ms))),
        figure(median(own.map(({ p99Ms }) => p99Ms))),
        String(own.reduce((sum, { failures }) => sum + failures, 0)),
      ]
    }),
  }
  return { table, ratioOf: (one: Language, other: Language) => ratio(rates(one), rates(other)) }
}

interface Process {
  name: string
  command(port: number): Command
}

/** What was deployed, run as the engine with processes runs it, and what each language does by itself. */
async function processes(stage: Stage, { platform }: Ours, bareGo: BareGo): Promise<Process[]> {
  const barePython = join(stage.folder, 'bare.py')
  await writeFile(barePython, BARE.Python)
  const bare =
    (command: string, ...args: string[]) =>
    (port: number) => ({
      ...{ command, args, env: { PORT: String(port) }, url: `http://127.0.0.1:${port}/` },
    })
  const entryOf = async (language: Language) => {
    const folder = join(platform.home, 'deployments', language.toLowerCase())
    const newest = (await readdir(folder)).sort((a, b) => Number(a) - Number(b)).at(-1)!
    const { versions } = await platform.details(language)
    const app = join(folder, newest, 'app')
    const names = await readdir(app)
    const entry = names.find(name => /^(?:go|.*\.mjs|.*\.py)$/.test(name) && !name.startsWith('.'))
    if (entry === undefined) throw new Error(`${versions.length} versions, and no entry in ${app}: ${names.join()}`)
    return { cwd: app, program: join(app, entry) }
  }
  const ours = async (language: Language, args: (program: string) => string[]): Promise<Process> => {
    const { cwd, program } = await entryOf(language)
    const [command, ...rest] = args(program)
    return {
      name: `ours, ${language}`,
      command: port => ({
        ...{ command: command!, args: rest, cwd, url: `http://127.0.0.1:${port}/` },
        env: { [ENV.name]: language, [ENV.host]: '127.0.0.1', [ENV.port]: String(port), [ENV.stampLogs]: '1' },
      }),
    }
  }
  return [
    { name: 'bare net/http', command: bare(bareGo.program) },
    await ours('Go', program => [program, '--ryo-faas-memory-mb=256']),
    { name: 'bare http.server', command: bare(SYSTEM_PYTHON, '-I', '-S', barePython) },
    await ours('Python', program => [SYSTEM_PYTHON, '-I', '-S', '-B', '-X', 'utf8', program]),
    await ours('Node', program => [functionNode, '--max-old-space-size=256', program]),
  ]
}

type Boot = Memory & { bootMs: number }

async function benchBoots(stage: Stage, all: Process[]) {
  const rounds = stage.quick ? 5 : 25
  const results = await takeTurns(all, rounds, async ({ name, command }, round): Promise<Boot> => {
    stage.say(`boot ${round + 1} of ${rounds}: ${name}`)
    const program = await startProgram(stage, command(await freePort()))
    await pause(SETTLE_MS)
    const memory = memoryOf(program.pid)
    await program.stop()
    return { ...memory, bootMs: program.bootMs }
  })
  const pick = (index: number, key: keyof Boot) => results[index]!.map(boot => boot[key])
  const table: Figures = {
    title: 'boot of a process',
    head: ['', 'boot ms', 'p90', 'own MiB', 'PSS MiB'],
    rows: all.map(({ name }, index) => [
      name,
      figure(median(pick(index, 'bootMs'))),
      figure(quantile(pick(index, 'bootMs'), 0.9)),
      figure(median(pick(index, 'ownBytes')) / MIB),
      figure(median(pick(index, 'pssBytes')) / MIB),
    ]),
  }
  const indexOf = (name: string) => all.findIndex(one => one.name === name)
  return { table, medianOf: (name: string, key: keyof Boot) => median(pick(indexOf(name), key)) }
}
