/**
 * The hop compared with its peers: throughput, latency, and CPU time per request, which other load on the machine
 * disturbs least. The load generator and the function share the cores with whatever is measured.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { median, ratio, takeTurns } from '../support/figures.ts'
import { functionNode } from '../support/places.ts'
import { freePort, startProgram, type Program } from '../support/programs.ts'
import { figure, times, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'
import { load, type LoadResult } from './load.ts'
import { fastifyHttpProxy, haproxy, nginx, ours } from './peers.ts'

const CONNECTIONS = 64

export const proxyBench: Bench = {
  name: 'proxy',
  title: 'A hop through the proxy',
  method: `wrk with ${CONNECTIONS} connections and a 13-byte response from a bare node:http server. All proxies run at once and take turns under load; medians over the turns, ratios within a turn. nginx and HAProxy have one worker; unlike them, ours also counts metrics and propagates traces.`,
  run: benchProxy,
}

async function benchProxy(stage: Stage): Promise<Report> {
  const rounds = stage.quick ? 3 : 7
  const seconds = stage.quick ? 1 : 3
  const fn = await startFunction(stage)
  const peers = [nginx('buffered'), haproxy, fastifyHttpProxy, ours(1), ours(2)]
  const candidates = [{ name: 'direct', running: fn as Program }]
  for (const peer of peers) candidates.push({ name: peer.name, running: await peer.start(stage, fn.port) })

  for (const { running } of candidates) await load(running, { seconds: 1, connections: CONNECTIONS })
  const results = await takeTurns(candidates, rounds, ({ name, running }, round) => {
    stage.say(`round ${round + 1} of ${rounds}: ${name}`)
    return load(running, { seconds, connections: CONNECTIONS })
  })
  const named = new Map(candidates.map(({ name }, index) => [name, results[index]!]))
  return { tables: [{ head: HEAD, rows: [...named].map(([name]) => row(name, named)) }], goals: goals(named) }
}

/** A bare server with keep-alive connections: the upstream of every proxy. */
export async function startFunction(stage: Stage): Promise<Program & { port: number }> {
  const port = await freePort()
  const file = join(stage.folder, 'function.cjs')
  await writeFile(
    file,
    `require('node:http').createServer({ keepAliveTimeout: 60000 }, (q, s) => s.end('Hello, World!')).listen(${port}, '127.0.0.1')`,
  )
  return {
    ...(await startProgram(stage, { command: functionNode, args: [file], url: `http://127.0.0.1:${port}/` })),
    port,
  }
}

const HEAD = ['', 'req/s', 'of direct', '× http-proxy', 'p50 ms', 'p99 ms', 'CPU µs/req', '× nginx', 'failures']

function row(name: string, results: Map<string, LoadResult[]>): string[] {
  const own = results.get(name)!
  const middle = (key: keyof LoadResult) => figure(median(own.map(result => result[key])))
  const versus = (peer: string, key: keyof LoadResult) => times(compare(results, { name, peer, key }))
  return [
    name,
    middle('requestsPerSecond'),
    versus('direct', 'requestsPerSecond'),
    versus('@fastify/http-proxy', 'requestsPerSecond'),
    middle('p50Ms'),
    middle('p99Ms'),
    name === 'direct' ? '–' : middle('cpuUs'),
    name === 'direct' ? '–' : versus('nginx', 'cpuUs'),
    String(own.reduce((sum, { failures }) => sum + failures, 0)),
  ]
}

function compare(
  results: Map<string, LoadResult[]>,
  what: { name: string; peer: string; key: keyof LoadResult },
): number {
  const pick = (name: string) => results.get(name)!.map(result => result[what.key])
  return ratio(pick(what.name), pick(what.peer))
}

function goals(results: Map<string, LoadResult[]>): Report['goals'] {
  const versus = (peer: string, key: keyof LoadResult) => compare(results, { name: 'ours', peer, key })
  return [
    {
      what: 'CPU per request, ours to nginx',
      measured: versus('nginx', 'cpuUs'),
      unit: '×',
      bound: { kind: 'at most', limit: 2.5 },
    },
    {
      what: 'throughput, ours to @fastify/http-proxy',
      measured: versus('@fastify/http-proxy', 'requestsPerSecond'),
      unit: '×',
      bound: { kind: 'at least', limit: 1.8 },
    },
    {
      what: 'throughput, ours to calling the function directly',
      measured: versus('direct', 'requestsPerSecond'),
      unit: '×',
      bound: { kind: 'at least', limit: 0.34 },
    },
  ]
}
