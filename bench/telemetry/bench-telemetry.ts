/**
 * The cost of traces: a call through proxy and function with nothing recorded, as shipped, and with every call
 * recorded; and the boot of a function without traces, with ours, and with OpenTelemetry's SDK.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { startCollector } from '../../agent/src/observability/collector/index.ts'
import { ENV } from '../../runtime/src/protocol/index.ts'
import type { TracingSettings } from '../../runtime/src/telemetry/index.ts'
import { load, type LoadResult } from '../proxy/load.ts'
import { ours } from '../proxy/peers.ts'
import { ANSWER, bareServer, buildFunction, functionCommand } from '../support/built-function.ts'
import { median, quantile, ratio, takeTurns } from '../support/figures.ts'
import { functionNode } from '../support/places.ts'
import { memoryOf, type Memory } from '../support/processes.ts'
import { freePort, pause, startProgram, type Command, type Program } from '../support/programs.ts'
import { figure, times, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'
import { visible } from './visible.ts'

const CONNECTIONS = 64
const MIB = 1024 ** 2
const SETTLE_MS = 300
const OFF = 'off'
const SHIPPED = 'on, as it ships'
const BOOT_OFF = 'ours, traces off'
const BOOT_ON = 'ours, traces on'

export const telemetryBench: Bench = {
  name: 'telemetry',
  title: 'Traces',
  method: `wrk with ${CONNECTIONS} connections through a proxy to one of our functions, a separate pair per row; the collector runs at the same time. As shipped, the first 50 calls of each second and one in a thousand of the others are recorded, and always failing and slow ones. Boot: time from spawn to first response of a process, and its memory once idle; the last row loads and starts @opentelemetry/sdk-node in front of a bare server. Turns alternate, ratios within a turn.`,
  run: benchTelemetry,
}

async function benchTelemetry(stage: Stage): Promise<Report> {
  const collector = await startCollectorFor(stage)
  const calls = await throughput(stage, collector)
  const boots = await boot(stage, collector)
  const seen = await visible(stage)
  return {
    tables: [calls.table, boots.table, seen.table],
    goals: [
      {
        what: 'throughput, traces as shipped to none',
        measured: calls.shippedToOff,
        unit: '×',
        bound: { kind: 'at least', limit: 0.85 },
      },
      {
        what: 'boot of a function, traces on to off',
        measured: boots.onToOff,
        unit: '×',
        bound: { kind: 'at most', limit: 1.25 },
      },
      {
        what: 'a trace is in the dashboard after its call, slowest',
        measured: seen.slowestMs,
        unit: 'ms',
        bound: { kind: 'at most', limit: 2_000 },
      },
    ],
  }
}

type CollectorAddress = Required<Pick<TracingSettings, 'url' | 'token'>>

async function startCollectorFor(stage: Stage): Promise<CollectorAddress> {
  const key = () => randomBytes(32).toString('base64url')
  const access = { operator: key(), part: key(), functions: key() }
  const collector = await startCollector({
    folder: join(stage.folder, 'traces'),
    host: '127.0.0.1',
    extraHosts: [],
    hostNames: [],
    port: 0,
    access,
    environment: {},
    logger: pino({ level: 'silent' }),
    registry: new Registry(),
    onChange: () => undefined,
  })
  stage.onEnd(() => collector.close())
  return { url: `http://127.0.0.1:${collector.port}`, token: access.part }
}

type Table = Report['tables'][number]

async function throughput(stage: Stage, collector: CollectorAddress): Promise<{ table: Table; shippedToOff: number }> {
  const shipped: TracingSettings = { ...collector, perSecond: 50, ratio: 0.001, slowMs: 1_000 }
  const built = await buildFunction(stage.folder, 'node')
  const rows: [string, TracingSettings | undefined][] = [
    [OFF, undefined],
    [SHIPPED, shipped],
    ['on, every call', { ...shipped, ratio: 1 }],
  ]
  const candidates: { name: string; running: Program }[] = []
  for (const [name, traces] of rows) {
    const port = await freePort()
    await startProgram(stage, traced(functionCommand(built, port), traces))
    candidates.push({ name, running: await ours(1, traces).start(stage, port) })
  }
  const seconds = stage.quick ? 1 : 3
  for (const { running } of candidates) await load(running, { seconds: 1, connections: CONNECTIONS })
  const results = await takeTurns(candidates, stage.quick ? 3 : 9, ({ name, running }, round) => {
    stage.say(`calls, round ${round + 1}: ${name}`)
    return load(running, { seconds, connections: CONNECTIONS })
  })
  const rate = (own: LoadResult[]) => own.map(({ requestsPerSecond }) => requestsPerSecond)
  const toOff = (own: LoadResult[]) => ratio(rate(own), rate(results[0]!))
  return {
    shippedToOff: toOff(results[1]!),
    table: {
      title: 'Calls',
      head: ['traces', 'req/s', 'of off', 'p99 ms', 'proxy CPU µs/req', 'failures'],
      rows: candidates.map(({ name }, index) => {
        const own = results[index]!
        const failures = own.reduce((sum, result) => sum + result.failures, 0)
        return [
          name,
          figure(median(rate(own))),
          times(toOff(own)),
          figure(median(own.map(({ p99Ms }) => p99Ms))),
          figure(median(own.map(({ cpuUs }) => cpuUs))),
          String(failures),
        ]
      }),
    },
  }
}

type Boot = Memory & { bootMs: number }

async function boot(stage: Stage, collector: CollectorAddress): Promise<{ table: Table; onToOff: number }> {
  const traces: TracingSettings = { ...collector, perSecond: 50, ratio: 0.001, slowMs: 1_000 }
  // Resolved from the function's folder, as if installed there.
  await mkdir(join(stage.folder, 'node_modules', '@opentelemetry'), { recursive: true })
  const apiFolder = join(dirname(resolve('@opentelemetry/api')), '..', '..')
  await symlink(apiFolder, join(stage.folder, 'node_modules', '@opentelemetry', 'api'))
  const [plain, own] = [
    await buildFunction(stage.folder, 'node'),
    await buildFunction(stage.folder, 'node', ownSpans()),
  ]
  const sdk = join(stage.folder, 'sdk.cjs')
  await writeFile(sdk, `${startSdk(collector)}\n${bareServer('127.0.0.1')}`)
  const candidates: { name: string; command: (port: number) => Command }[] = [
    { name: BOOT_OFF, command: port => functionCommand(plain, port) },
    { name: BOOT_ON, command: port => traced(functionCommand(plain, port), traces) },
    { name: 'ours, on, with @opentelemetry/api', command: port => traced(functionCommand(own, port), traces) },
    { name: '@opentelemetry/sdk-node', command: port => bare(sdk, port) },
  ]
  const results = await takeTurns(candidates, stage.quick ? 5 : 25, async ({ name, command }, round) => {
    stage.say(`boot, round ${round + 1}: ${name}`)
    const program = await startProgram(stage, command(await freePort()))
    await pause(SETTLE_MS)
    const memory = memoryOf(program.pid)
    await program.stop()
    return { ...memory, bootMs: program.bootMs }
  })
  const pick = (boots: Boot[], key: keyof Boot) => boots.map(measured => measured[key])
  const toOff = (boots: Boot[], key: keyof Boot) => ratio(pick(boots, key), pick(results[0]!, key))
  return {
    onToOff: toOff(results[1]!, 'bootMs'),
    table: {
      title: 'Boot',
      head: ['', 'boot ms', 'p90', '× off', 'own MiB', '× off'],
      rows: candidates.map(({ name }, index) => {
        const boots = results[index]!
        return [
          name,
          figure(median(pick(boots, 'bootMs'))),
          figure(quantile(pick(boots, 'bootMs'), 0.9)),
          times(toOff(boots, 'bootMs')),
          figure(median(pick(boots, 'ownBytes')) / MIB),
          times(toOff(boots, 'ownBytes')),
        ]
      }),
    },
  }
}

function traced(command: Command, traces: TracingSettings | undefined): Command {
  if (traces === undefined) return command
  const { url, token = '', ...sampling } = traces
  const variables = { [ENV.tracesUrl]: url, [ENV.token]: token, [ENV.traceSampling]: JSON.stringify(sampling) }
  return { ...command, env: { ...command.env, ...variables } }
}

const resolve = createRequire(import.meta.url).resolve

/** A function that creates a span in each call. */
function ownSpans(): string {
  return `import type { IncomingMessage, ServerResponse } from 'node:http'
import { trace } from '@opentelemetry/api'
const tracer = trace.getTracer('bench')
export function Hello(_request: IncomingMessage, response: ServerResponse): void {
  tracer.startActiveSpan('inner', span => { response.end(${JSON.stringify(ANSWER)}); span.end() })
}
`
}

function startSdk({ url, token }: CollectorAddress): string {
  const path = JSON.stringify(`${url}/v1/traces`)
  return `const { NodeSDK } = require(${JSON.stringify(resolve('@opentelemetry/sdk-node'))})
const { OTLPTraceExporter } = require(${JSON.stringify(resolve('@opentelemetry/exporter-trace-otlp-http'))})
new NodeSDK({ serviceName: 'bench', autoDetectResources: false, traceExporter: new OTLPTraceExporter({ url: ${path}, headers: { authorization: ${JSON.stringify(`Bearer ${token}`)} } }) }).start()`
}

function bare(file: string, port: number): Command {
  const env = { PORT: String(port), HOST: '127.0.0.1', NODE_ENV: 'production' }
  return { command: functionNode, args: [file], env, url: `http://127.0.0.1:${port}/` }
}
