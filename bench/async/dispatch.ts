/**
 * From the queue to the function: the time until an idle platform starts a call, the throughput compared with
 * synchronous calls, and the memory of a dispatcher with a long queue. Everything is real and runs in its own process:
 * nats-server, proxy, function (in its framework), dispatcher.
 */
import { readFileSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Pool } from 'undici'
import type { CallStatus } from '../../agent/src/contract/index.ts'
import {
  CallIdSource,
  callIdOfSubject,
  ensureStreams,
  STATUS_HEADER,
  STREAMS,
  subjectOf,
  subjectsOf,
  type Bus,
} from '../../agent/src/bus/index.ts'
import { encodeEnvelope, getAnswer, isFinal } from '../../agent/src/calls/index.ts'
import { managerOf, startNats } from '../../agent/src/bus/testing/nats-server.ts'
import { Builder } from '../../agent/src/languages/node/builder/index.ts'
import { ControlClient } from '../../agent/src/routes/index.ts'
import { DISPATCHER_NODE_ARGS } from '../../agent/src/services/dispatcher/index.ts'
import { ProxyControl } from '../../agent/src/services/proxy/index.ts'
import { median, quantile } from '../support/figures.ts'
import { functionNode, proxyEntry, runtimeDir } from '../support/places.ts'
import { functionCommand } from '../support/built-function.ts'
import { cpuTimeUs } from '../support/processes.ts'
import { freePort, pause, startProgram, until, type Program } from '../support/programs.ts'
import { figure, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'

const CONCURRENCY = 64
const TOKEN = 'token-of-the-bench'
const ACCESS = { operator: TOKEN, part: TOKEN, functions: TOKEN }
const MIB = 1024 ** 2
/** Returns its start time, by the clock that all processes of a machine share. */
const HANDLER = `import type { IncomingMessage, ServerResponse } from 'node:http'
export function Hello(_request: IncomingMessage, response: ServerResponse): void {
  response.end(String(process.hrtime.bigint()))
}
`

export const dispatchBench: Bench = {
  name: 'dispatch',
  title: 'From the queue to the function',
  method: `Latency: calls one after the other, from before publishing to the first line of the function. Throughput: a pre-filled queue, a no-op function, concurrency ${CONCURRENCY}, compared with ${CONCURRENCY} concurrent synchronous calls by the dispatcher's HTTP client (undici); rounds alternate.`,
  run: stage => benchDispatch(stage),
}

export interface Entries {
  proxy: string
  dispatcher: string
}

/** The programs as shipped. */
const SHIPPED: Entries = {
  proxy: proxyEntry,
  dispatcher: fileURLToPath(new URL('../../agent/dist/services/dispatcher/main.js', import.meta.url)),
}

export async function benchDispatch(stage: Stage, entries: Entries = SHIPPED): Promise<Report> {
  const platform = await startPlatform(stage, entries)
  const rounds = stage.quick ? 1 : 3
  const perRound = stage.quick ? 2_000 : 15_000
  await platform.sync(stage.quick ? 1_000 : 10_000)
  await platform.queued(stage.quick ? 1_000 : 5_000)

  stage.say('latency')
  const startsMs = await platform.starts(stage.quick ? 100 : 1_000)
  const sync: number[] = []
  const queued: Drained[] = []
  for (let round = 0; round < rounds; round += 1) {
    stage.say(`throughput, round ${round + 1} of ${rounds}`)
    sync.push(await platform.sync(perRound))
    queued.push(await platform.queued(perRound))
  }
  const share = median(queued.map(({ perSecond }, i) => perSecond / sync[i]!))
  stage.say('memory')
  const count = stage.quick ? 10_000 : 100_000
  const memory = await platform.queued(count)

  const cpu = (name: keyof Drained['cpuUs']) => figure(median(queued.map(({ cpuUs }) => cpuUs[name])))
  return {
    tables: [
      {
        title: 'Throughput',
        head: ['', 'calls/s', 'CPU µs/call: dispatcher', 'nats-server', 'proxy', 'function'],
        rows: [
          ['synchronous', figure(median(sync)), '–', '–', '–', '–'],
          [
            'out of the queue',
            figure(median(queued.map(({ perSecond }) => perSecond))),
            ...(['dispatcher', 'nats', 'proxy', 'fn'] as const).map(cpu),
          ],
        ],
      },
      {
        title: 'Publish to function start, idle',
        head: ['', 'p50 ms', 'p90 ms', 'p99 ms'],
        rows: [['ours', ...[0.5, 0.9, 0.99].map(part => figure(quantile(startsMs, part)))]],
      },
      {
        title: `Memory of the dispatcher while ${count} calls leave the queue`,
        head: ['', 'before MiB', 'first tenth', 'last tenth', 'most'],
        rows: [['ours', ...memoryColumns(memory).map(bytes => figure(bytes / MIB))]],
      },
    ],
    goals: [
      { what: 'median', measured: median(startsMs), unit: 'ms', bound: { kind: 'at most', limit: 2 } },
      { what: 'p99', measured: quantile(startsMs, 0.99), unit: 'ms', bound: { kind: 'at most', limit: 10 } },
      { what: 'throughput to synchronous', measured: share, unit: '×', bound: { kind: 'at least', limit: 0.4 } },
      {
        what: 'memory at the end of the long queue to its begin',
        measured: memoryColumns(memory)[2] / memoryColumns(memory)[1],
        unit: '×',
        bound: { kind: 'at most', limit: 1.2 },
      },
    ],
  }
}

interface Drained {
  perSecond: number
  /** Resident memory of the dispatcher: before, and while the queue empties. */
  beforeBytes: number
  residentBytes: number[]
  cpuUs: { dispatcher: number; nats: number; proxy: number; fn: number }
}

function memoryColumns({ beforeBytes, residentBytes }: Drained): [number, number, number, number] {
  const tenth = Math.max(1, Math.floor(residentBytes.length / 10))
  return [
    beforeBytes,
    median(residentBytes.slice(0, tenth)),
    median(residentBytes.slice(-tenth)),
    Math.max(...residentBytes),
  ]
}

interface Platform {
  /** @returns calls per second. */
  sync(count: number): Promise<number>
  queued(count: number): Promise<Drained>
  /** @returns milliseconds from publish to start, one per call */
  starts(count: number): Promise<number[]>
}

async function startPlatform(stage: Stage, entries: Entries): Promise<Platform> {
  const fn = await startFunction(stage)
  const nats = await startNats()
  stage.onEnd(() => nats.stop())
  const bus = await nats.connect()
  await ensureStreams(bus)
  const proxy = await startProxy(stage, entries.proxy, fn.port)
  const controlPath = join(stage.folder, 'dispatcher.sock')
  const control = new ControlClient({ name: 'dispatcher', controlPath })
  let generation = 0
  const deploy = (isDeployed: boolean) => {
    const hello = { name: 'hello', displayName: 'Hello', version: 1, timeoutMs: 60_000, concurrency: 0, instances: [] }
    const policy = { concurrency: CONCURRENCY }
    return control.setRoutes({ generation: ++generation, routes: isDeployed ? [{ ...hello, policy }] : [] })
  }
  const { url, user, password } = nats
  const dispatcher = await startDispatcher(stage, entries.dispatcher, {
    nats: { url, user, password },
    proxyUrl: proxy.url,
    access: ACCESS,
    controlPath,
    callback: { secret: `whsec_${Buffer.alloc(24).toString('base64')}` },
  })
  const ids = new CallIdSource()
  const parts = { dispatcher: dispatcher.pid, nats: nats.pid(), proxy: proxy.pid, fn: fn.pid }

  return {
    sync: count => callThrough(proxy.url, count),
    starts: async count => {
      await deploy(true)
      const latencies = await latenciesOf(bus, ids, count)
      await deploy(false)
      return latencies
    },
    queued: async count => {
      await fill(bus, ids, count)
      const beforeBytes = residentOf(dispatcher.pid)
      const cpuBefore = mapValues(parts, cpuTimeUs)
      const residentBytes: number[] = []
      const begin = performance.now()
      await deploy(true)
      while ((await managerOf(bus).streams.info(STREAMS.calls)).state.messages > 0) {
        residentBytes.push(residentOf(dispatcher.pid))
        await pause(50)
      }
      const seconds = (performance.now() - begin) / 1_000
      const cpuUs = mapValues(parts, (pid, name) => (cpuTimeUs(pid) - cpuBefore[name]) / count)
      await deploy(false)
      return { perSecond: count / seconds, beforeBytes, residentBytes, cpuUs }
    },
  }
}

/** `VmRSS`: the kernel counts it anyway; a full account would pause the process. */
function residentOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
}

function mapValues<Key extends string>(
  record: Record<Key, number>,
  change: (value: number, key: Key) => number,
): Record<Key, number> {
  const entries = (Object.entries(record) as [Key, number][]).map(([key, value]) => [key, change(value, key)])
  return Object.fromEntries(entries) as Record<Key, number>
}

async function publish(bus: Bus, callId: string): Promise<void> {
  const head = {
    v: 1 as const,
    method: 'POST',
    path: '/',
    headers: [['Host', 'localhost']] as [string, string][],
    acceptedAt: new Date().toISOString(),
    requestId: callId,
    bodyBytes: 0,
  }
  await bus.publish(subjectOf('call', callId), encodeEnvelope(head, Buffer.alloc(0)), { messageId: callId })
}

async function fill(bus: Bus, ids: CallIdSource, count: number): Promise<void> {
  let left = count
  const publisher = async () => {
    while (left-- > 0) await publish(bus, ids.next('hello'))
  }
  await Promise.all(Array.from({ length: 256 }, publisher))
}

async function latenciesOf(bus: Bus, ids: CallIdSource, count: number): Promise<number[]> {
  const waiting = new Map<string, () => void>()
  const stopListening = bus.listen(subjectsOf('changed'), message => {
    if (isFinal(message.header(STATUS_HEADER) as CallStatus)) waiting.get(callIdOfSubject(message.subject))?.()
  })
  const latencies: number[] = []
  for (let i = 0; i < count; i += 1) {
    const callId = ids.next('hello')
    const ended = new Promise<void>(resolve => waiting.set(callId, resolve))
    const begin = process.hrtime.bigint()
    await publish(bus, callId)
    await ended
    waiting.delete(callId)
    const start = BigInt((await getAnswer(bus, callId))!.body!.toString())
    latencies.push(Number(start - begin) / 1e6)
    await pause(2)
  }
  stopListening()
  return latencies
}

async function callThrough(url: string, count: number): Promise<number> {
  const pool = new Pool(url, { pipelining: 1, connections: CONCURRENCY })
  let left = count
  const caller = async () => {
    while (left-- > 0) await post(pool)
  }
  const begin = performance.now()
  await Promise.all(Array.from({ length: CONCURRENCY }, caller))
  const seconds = (performance.now() - begin) / 1_000
  await pool.close()
  return count / seconds
}

/** Like the dispatcher: `dispatch`, the fastest API of undici. */
function post(pool: Pool): Promise<void> {
  return new Promise((resolve, reject) => {
    pool.dispatch(
      { method: 'POST', path: '/functions/hello/', headers: ['Host', 'localhost'] },
      {
        onRequestStart: () => {},
        onResponseStart: (_controller, status) => {
          if (status !== 200) reject(new Error(`the function answered ${status}`))
        },
        onResponseData: () => {},
        onResponseEnd: () => resolve(),
        onResponseError: (_controller, error) => reject(error),
      },
    )
  })
}

async function startFunction(stage: Stage): Promise<Program & { port: number }> {
  const packageDir = join(stage.folder, 'hello')
  const filePath = join(packageDir, 'main.ts')
  await mkdir(packageDir)
  await writeFile(filePath, HANDLER)
  const builder = new Builder({ runtimeDir, cacheDir: join(stage.folder, 'cache'), environment: process.env })
  const request = {
    name: 'Hello',
    exportName: 'Hello',
    style: 'node' as const,
    rootDir: packageDir,
    packageDir,
    filePath,
    files: [],
  }
  const bundle = await builder.bundle(request, new AbortController().signal)
  const built = await bundle.write(join(stage.folder, 'built'))
  await builder.close()
  const port = await freePort()
  return { ...(await startProgram(stage, functionCommand(built, port))), port }
}

async function startProxy(stage: Stage, entry: string, functionPort: number): Promise<Program> {
  const port = await freePort()
  const file = join(stage.folder, 'proxy.json')
  const controlPath = join(stage.folder, 'proxy.sock')
  await writeFile(file, JSON.stringify({ port, controlPath, access: ACCESS }))
  const program = await startProgram(stage, {
    command: functionNode,
    args: ['--enable-source-maps', entry, file],
    url: `http://127.0.0.1:${port}/healthz`,
  })
  const instances = [{ id: 'one', host: '127.0.0.1', port: functionPort }]
  const route = {
    name: 'hello',
    displayName: 'Hello',
    version: 1,
    timeoutMs: 60_000,
    concurrency: 0,
    isAnonymous: true,
    instances,
  }
  const control = new ProxyControl({ controlPath })
  await until(() => control.setRoutes({ generation: 1, routes: [route] }))
  return { ...program, url: `http://127.0.0.1:${port}` }
}

async function startDispatcher(stage: Stage, entry: string, options: object): Promise<Program> {
  const file = join(stage.folder, 'dispatcher.json')
  const readyFile = join(stage.folder, 'dispatcher.ready')
  const metricsPort = await freePort()
  await writeFile(file, JSON.stringify({ ...options, metricsPort, readyFile }))
  const program = await startProgram(stage, {
    command: functionNode,
    args: [...DISPATCHER_NODE_ARGS, entry, file],
    url: `http://127.0.0.1:${metricsPort}/healthz`,
  })
  await until(() => readFile(readyFile))
  return program
}
