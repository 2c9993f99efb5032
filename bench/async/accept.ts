/**
 * How fast asynchronous calls are accepted, compared with the minimum cost: a process that only publishes to JetStream
 * and waits for the acknowledgement, with as many in flight. One server for both, its files on disk; they take turns.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CallIdSource, ensureStreams, STREAMS, subjectOf } from '../../agent/src/bus/index.ts'
import { managerOf, startNats, type TestNats } from '../../agent/src/bus/testing/nats-server.ts'
import { ProxyControl } from '../../agent/src/services/proxy/index.ts'
import { cpuTimeUs } from '../support/processes.ts'
import { median, ratio, takeTurns } from '../support/figures.ts'
import { functionNode, proxyEntry } from '../support/places.ts'
import { freePort, run, startProgram, until } from '../support/programs.ts'
import { figure, times, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'

const IN_FLIGHT = 64
const PAYLOAD_BYTES = 256

export const acceptBench: Bench = {
  name: 'accept',
  title: 'Accepting asynchronous calls',
  method: `wrk with ${IN_FLIGHT} connections posts ${PAYLOAD_BYTES} bytes to an async function: 202 after the JetStream acknowledgement. Compared with a process that only publishes ${PAYLOAD_BYTES} bytes with the nats package, ${IN_FLIGHT} in flight, to the same stream. One process each; ratios within a turn. The same with \`--nats-sync on\`, where the server waits for the disk with every message.`,
  run: benchAccept,
}

interface Turn {
  perSecond: number
  p50Ms: number
  p99Ms: number
  cpuUs: number
  failures: number
}

/** @param entry the proxy to measure; default: the built one */
export async function benchAccept(stage: Stage, entry = proxyEntry): Promise<Report> {
  const nats = await startNats()
  stage.onEnd(() => nats.stop())
  const synced = await startNats('sync_interval: always')
  stage.onEnd(() => synced.stop())
  const buses = [await nats.connect('bench'), await synced.connect('bench')]
  await Promise.all(buses.map(bus => ensureStreams(bus)))
  const address = addressOf(nats)
  const proxy = await startAccepting(stage, { address, entry, name: 'accepting' })
  const syncedProxy = await startAccepting(stage, { address: addressOf(synced), entry, name: 'synced' })
  const seconds = stage.quick ? 1 : 3
  const candidates = [
    { name: 'raw publish', measure: () => rawPublish(address, seconds) },
    { name: 'accept', measure: () => accept(stage, { ...proxy, seconds }) },
    { name: 'raw publish, synced', measure: () => rawPublish(addressOf(synced), seconds) },
    { name: 'accept, synced', measure: () => accept(stage, { ...syncedProxy, seconds }) },
  ]
  for (const { measure } of candidates) await measure()
  const [raw, accepted, rawSynced, acceptedSynced] = (await takeTurns(
    candidates,
    stage.quick ? 3 : 7,
    async ({ name, measure }, round) => {
      for (const bus of buses) await managerOf(bus).streams.purge(STREAMS.calls)
      stage.say(`round ${round + 1}: ${name}`)
      return measure()
    },
  )) as [Turn[], Turn[], Turn[], Turn[]]
  const share = ratio(rates(accepted), rates(raw))
  return {
    tables: [
      {
        head: ['', 'per second', 'of raw', 'p50 ms', 'p99 ms', 'CPU µs each', 'failures'],
        rows: [
          row('raw publish', raw, 1),
          row('accept', accepted, share),
          row('raw publish, synced', rawSynced, ratio(rates(rawSynced), rates(raw))),
          row('accept, synced', acceptedSynced, ratio(rates(acceptedSynced), rates(raw))),
        ],
      },
    ],
    goals: [
      {
        what: 'accept rate to raw publish rate',
        measured: share,
        unit: '×',
        bound: { kind: 'at least', limit: 0.35 },
      },
    ],
  }
}

function rates(turns: Turn[]): number[] {
  return turns.map(({ perSecond }) => perSecond)
}

function row(name: string, turns: Turn[], share: number): string[] {
  const middle = (key: keyof Turn) => figure(median(turns.map(turn => turn[key])))
  const failures = turns.reduce((sum, turn) => sum + turn.failures, 0)
  return [name, middle('perSecond'), times(share), middle('p50Ms'), middle('p99Ms'), middle('cpuUs'), String(failures)]
}

function addressOf({ url, user, password }: TestNats): Address {
  return { url, user, password }
}

interface Address {
  url: string
  user: string
  password: string
}

async function startAccepting(
  stage: Stage,
  { address, entry, name }: { address: Address; entry: string; name: string },
) {
  const port = await freePort()
  const file = join(stage.folder, `${name}.json`)
  const controlPath = join(stage.folder, `${name}.sock`)
  await writeFile(file, JSON.stringify({ port, controlPath, nats: address }))
  const url = `http://127.0.0.1:${port}`
  const args = ['--enable-source-maps', entry, file]
  const program = await startProgram(stage, { command: functionNode, args, url: `${url}/healthz` })
  const control = new ProxyControl({ controlPath })
  const route = { name: 'hello', displayName: 'Hello', version: 1, timeoutMs: 30_000, concurrency: 0, instances: [] }
  const async = { attempts: 5, backoffMs: 1000, concurrency: 10 }
  await until(() => control.setRoutes({ generation: 1, routes: [{ ...route, async }] }))
  await until(async () => {
    const { status } = await fetch(`${url}/functions/hello`, { method: 'POST', body: 'x' })
    if (status !== 202) throw new Error(`a call was answered with ${status}`)
  })
  return { pid: program.pid, url: `${url}/functions/hello` }
}

async function rawPublish(address: Address, seconds: number): Promise<Turn> {
  const subject = subjectOf('call', new CallIdSource().next('raw'))
  const options = { ...address, subject, payloadBytes: PAYLOAD_BYTES, inFlight: IN_FLIGHT, seconds }
  const script = fileURLToPath(new URL('./raw-publish.ts', import.meta.url))
  const output = await run(functionNode, [
    '--experimental-strip-types',
    '--no-warnings',
    script,
    JSON.stringify(options),
  ])
  return { perSecond: Number(output), p50Ms: NaN, p99Ms: NaN, cpuUs: NaN, failures: 0 }
}

async function accept(stage: Stage, target: { url: string; pid: number; seconds: number }): Promise<Turn> {
  const script = join(stage.folder, 'post.lua')
  await writeFile(script, `wrk.method = "POST"\nwrk.body = string.rep("x", ${PAYLOAD_BYTES})\n`)
  const before = cpuTimeUs(target.pid)
  const text = await run('wrk', [
    ...['-t1', `-c${IN_FLIGHT}`, `-d${target.seconds}s`, '--latency', '-s', script],
    target.url,
  ])
  const find = (pattern: RegExp) => pattern.exec(text)?.[1] ?? ''
  const count = Number(find(/(\d+) requests in/))
  return {
    perSecond: Number(find(/Requests\/sec:\s+([\d.]+)/)),
    p50Ms: milliseconds(find(/\n\s+50%\s+(\S+)/)),
    p99Ms: milliseconds(find(/\n\s+99%\s+(\S+)/)),
    cpuUs: (cpuTimeUs(target.pid) - before) / count,
    failures: Number(find(/Non-2xx or 3xx responses: (\d+)/) || 0),
  }
}

function milliseconds(text: string): number {
  const value = Number.parseFloat(text)
  return text.endsWith('us') ? value / 1000 : text.endsWith('ms') ? value : value * 1000
}
