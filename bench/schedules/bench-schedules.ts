/** How late schedules call: 10,000 of them in one dispatcher, beside bare timers of Node. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { answerProof } from '../../agent/src/contract/index.ts'
import { ensureStreams } from '../../agent/src/bus/index.ts'
import { startNats } from '../../agent/src/bus/testing/nats-server.ts'
import { ControlClient } from '../../agent/src/routes/index.ts'
import { DISPATCHER_NODE_ARGS } from '../../agent/src/services/dispatcher/index.ts'
import { median, quantile } from '../support/figures.ts'
import { functionNode } from '../support/places.ts'
import { cpuTimeUs, memoryOf } from '../support/processes.ts'
import { freePort, pause, startProgram, until } from '../support/programs.ts'
import { figure, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'

const TOKEN = 'token-of-the-bench'
const ACCESS = { operator: TOKEN, part: TOKEN, functions: TOKEN }
const MIB = 1024 ** 2
const WINDOW_MS = 60_000
const OPENING_MS = 20_000
const GOAL_MS = 100
const DISPATCHER = fileURLToPath(new URL('../../agent/dist/services/dispatcher/main.js', import.meta.url))
const TIMERS = fileURLToPath(new URL('timers.mjs', import.meta.url))

export const schedulesBench: Bench = {
  name: 'schedules',
  title: 'Schedules on time',
  method:
    '10,000 schedules of one a minute in one dispatcher, each at another moment of it, and what calls with a bare timer of Node instead: for each time, from when it was due to when the request has come in where the proxy would be. Both in their own process, one after the other, each over one minute; what is not called, or called twice, fails the run.',
  run: stage => benchSchedules(stage),
}

interface Call {
  dueMs: number
  lateMs: number
}

async function benchSchedules(stage: Stage): Promise<Report> {
  const count = stage.quick ? 1_000 : 10_000
  const { url, calls } = await startReceiver(stage)
  stage.say('schedules: bare timers')
  const timers = await ofTimers(stage, { url, calls, count })
  stage.say('schedules: the dispatcher starts')
  const ours = await ofDispatcher(stage, { url, calls, count })
  const parts = [0.5, 0.9, 0.99, 1]
  const row = (name: string, late: readonly number[], more: string[]) => [
    name,
    ...parts.map(part => figure(quantile(late, part))),
    ...more,
  ]
  return {
    tables: [
      {
        title: `${count} times within a minute: late, in ms`,
        head: ['', 'median', 'p90', 'p99', 'max', 'MiB', 'CPU %'],
        rows: [
          row('schedules', ours.late, [figure(ours.bytes / MIB), figure(ours.cpuPercent)]),
          row('bare timers', timers.late, [figure(timers.bytes / MIB), figure(timers.cpuPercent)]),
        ],
      },
    ],
    goals: [
      { what: 'median', measured: median(ours.late), unit: 'ms', bound: { kind: 'at most', limit: 10 } },
      { what: 'latest', measured: Math.max(...ours.late), unit: 'ms', bound: { kind: 'at most', limit: GOAL_MS } },
    ],
  }
}

/** In place of the proxy, with its proof. */
async function startReceiver(stage: Stage): Promise<{ url: string; calls: Call[] }> {
  const calls: Call[] = []
  const server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const now = Date.now()
    const proof = answerProof(ACCESS.operator, { url: request.url!, port: request.socket.localPort! })
    if (proof !== undefined) return void response.end(proof)
    const dueMs = Date.parse(String(request.headers['x-scheduled-at']))
    calls.push({ dueMs, lateMs: now - dueMs })
    request.resume()
    response.end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  stage.onEnd(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls }
}

interface Measured {
  late: number[]
  bytes: number
  cpuPercent: number
}

interface Run {
  url: string
  calls: Call[]
  count: number
}

async function ofTimers(stage: Stage, { url, calls, count }: Run): Promise<Measured> {
  const begin = Date.now() + 1_000
  const wanted = JSON.stringify({ url, begin, count, windowMs: WINDOW_MS })
  const child = spawn(functionNode, [TIMERS, wanted], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const gone = once(child, 'exit')
  stage.onEnd(async () => {
    child.kill('SIGKILL')
    await gone
  })
  const measured = await measure({ calls, count, begin }, child.pid!)
  child.kill('SIGKILL')
  return measured
}

async function ofDispatcher(stage: Stage, { url, calls, count }: Run): Promise<Measured> {
  const nats = await startNats()
  stage.onEnd(() => nats.stop())
  await ensureStreams(await nats.connect())
  const file = join(stage.folder, 'dispatcher.json')
  const readyFile = join(stage.folder, 'dispatcher.ready')
  const controlPath = join(stage.folder, 'dispatcher.sock')
  const metricsPort = await freePort()
  const callback = { secret: `whsec_${Buffer.alloc(24).toString('base64')}` }
  const { user, password } = nats
  const options = { nats: { url: nats.url, user, password }, proxyUrl: url, access: ACCESS, controlPath, callback }
  await writeFile(file, JSON.stringify({ ...options, metricsPort, readyFile }))
  const program = await startProgram(stage, {
    command: functionNode,
    args: [...DISPATCHER_NODE_ARGS, DISPATCHER, file],
    url: `http://127.0.0.1:${metricsPort}/healthz`,
  })
  await until(() => readFile(readyFile))
  // A hundred of each function, as a project would hardly have.
  // They open until the first of them is due.
  const start = Date.now() - WINDOW_MS + OPENING_MS
  const triggers = Array.from({ length: count }, (_, i) => ({
    key: `schedule-${i}`,
    kind: 'schedule',
    schedule: { name: `s${i}`, every: '1m' },
    start: {
      epoch: 1,
      from: { kind: 'time' as const, time: new Date(start + Math.round((i * WINDOW_MS) / count)).toISOString() },
    },
  }))
  const routes = Array.from({ length: count / 100 }, (_, i) => ({
    ...{ name: `f${i}`, displayName: `f${i}`, version: 1, timeoutMs: 60_000, concurrency: 0, instances: [] },
    triggers: triggers.slice(i * 100, (i + 1) * 100),
  }))
  await new ControlClient({ name: 'dispatcher', controlPath, timeoutMs: 30_000 }).setRoutes({ generation: 1, routes })
  return measure({ calls, count, begin: start + WINDOW_MS }, program.pid)
}

/** Of the times from `begin` on, once each has come. */
async function measure({ calls, count, begin }: { calls: Call[]; count: number; begin: number }, pid: number) {
  await pause(begin - Date.now())
  const cpu = cpuTimeUs(pid)
  await pause(WINDOW_MS + 2_000)
  const cpuPercent = (cpuTimeUs(pid) - cpu) / 1e4 / ((WINDOW_MS + 2_000) / 1_000)
  const own = calls.filter(({ dueMs }) => dueMs >= begin && dueMs < begin + WINDOW_MS)
  const times = new Set(own.map(({ dueMs }) => dueMs)).size
  if (own.length !== count || times !== count) throw new Error(`${own.length} calls at ${times} times, not ${count}`)
  return { late: own.map(({ lateMs }) => lateMs), bytes: memoryOf(pid).pssBytes, cpuPercent }
}
