/**
 * The store compared with a bare fastify route and json-server, with the same requests; how it scales; and what two
 * storage engines could provide. Only our writes, and those of the LMDB route, are on disk (fsync) before the response.
 */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { median, ratio, takeTurns } from '../support/figures.ts'
import { functionNode } from '../support/places.ts'
import { freePort, pause, run, startProgram, until, type Program } from '../support/programs.ts'
import { figure, times, type Bench, type Report } from '../support/report.ts'
import type { Stage } from '../support/stage.ts'

export const CONNECTIONS = 64
/** Warm-up: code that has just started is still being compiled. */
const WARM_UP_ROUNDS = 1
/** Sent to peers too, so that all parse the same request. */
const AUTHORIZATION = `Bearer ${randomBytes(32).toString('base64url')}`
const KEYS = {
  operator: AUTHORIZATION.slice('Bearer '.length),
  part: randomBytes(32).toString('base64url'),
  functions: randomBytes(32).toString('base64url'),
}
export const DOCUMENT = { customer: 'Ada Lovelace', amount: 12, city: 'Kiel', tags: ['a', 'b'] }
const storeEntry = fileURLToPath(new URL('../../agent/dist/services/store/main.js', import.meta.url))
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))

export const storeBench: Bench = {
  name: 'store',
  title: 'The JSON store',
  method: `wrk with ${CONNECTIONS} connections. Ours writes document, event and log entry in one transaction and waits for the disk, with its relay off; the bare route parses the same body and stores nothing; the LMDB route only stores it and waits for the disk; json-server (0.17, lowdb) writes its whole file without waiting, which leaves the disk busy, so it comes last. The others alternate, ratios within a turn.`,
  run: benchStore,
}

export interface Target extends Program {
  create: string
  read: string
  body: string
}

async function benchStore(stage: Stage): Promise<Report> {
  const [rounds, seconds] = stage.quick ? [2, 1] : [9, 2]
  const ours = await startStore(stage)
  const bare = await startBare(stage)
  const lmdb = await startLmdb(stage)
  const create = (target: Target) => load(stage, target.create, { seconds, body: target.body })
  const read = (target: Target) => load(stage, target.read, { seconds })
  const durable = [ours, bare, lmdb]
  await takeTurns(durable, WARM_UP_ROUNDS, create)
  const creates = await takeTurns(durable, rounds, create)
  await takeTurns(durable, WARM_UP_ROUNDS, read)
  const reads = await takeTurns(durable, rounds, read)
  await lmdb.stop()
  await bare.stop()
  // It leaves the disk busy, so it runs after all others.
  const jsonServer = await startJsonServer(stage)
  creates.push(...(await takeTurns([jsonServer], rounds, create)))
  reads.push(...(await takeTurns([jsonServer], rounds, read)))
  await jsonServer.stop()

  const many = stage.quick ? 20_000 : 1_000_000
  stage.say('growth')
  await importDocuments(ours.url, { table: 'few', count: 1_000 })
  const few = await writeRate(stage, ours, 'few', seconds)
  await importDocuments(ours.url, { table: 'many', count: many })
  await indexed(ours.url, 'many')
  const full = await writeRate(stage, ours, 'many', seconds)
  const again = await writeRate(stage, ours, 'few', seconds)
  const queriesMs = await queries(ours.url, many, stage.quick ? 50 : 500)
  const engines = await compareEngines(stage)

  const names = ['ours', 'bare fastify', 'fastify, one durable LMDB put', 'json-server']
  const perSecond = (results: number[][]) => results.map(own => median(own))
  const [createRates, readRates] = [perSecond(creates), perSecond(reads)]
  const grown = median([few, again]) / full
  return {
    tables: [
      {
        title: 'HTTP',
        head: ['', 'creates/s', 'of bare', 'reads/s', 'of bare'],
        rows: names.map((name, at) => [
          name,
          figure(createRates[at]!),
          times(ratio(creates[at]!, creates[1]!)),
          figure(readRates[at]!),
          times(ratio(reads[at]!, reads[1]!)),
        ]),
      },
      {
        title: 'Growth',
        head: ['documents in the table', 'creates/s'],
        rows: [
          ['1000', figure(median([few, again]))],
          [`${many}, with an index`, figure(full)],
        ],
      },
      {
        title: 'Storage engines in process, durable',
        head: ['', '64 in a transaction, writes/s', 'one in a transaction'],
        rows: Object.entries(engines).map(([name, { together, alone }]) => [name, figure(together), figure(alone)]),
      },
    ],
    goals: [
      {
        what: 'durable creates to a bare route',
        measured: ratio(creates[0]!, creates[1]!),
        unit: '×',
        bound: { kind: 'at least', limit: 0.8 },
      },
      {
        what: 'reads by id to a bare route',
        measured: ratio(reads[0]!, reads[1]!),
        unit: '×',
        bound: { kind: 'at least', limit: 0.7 },
      },
      {
        what: `cost of a write, ${many} documents and an index to 1000`,
        measured: grown,
        unit: '×',
        bound: { kind: 'at most', limit: 1.5 },
      },
      {
        what: `query on an index, ${many} documents`,
        measured: median(queriesMs),
        unit: 'ms',
        bound: { kind: 'at most', limit: 5 },
      },
    ],
  }
}

/** @param database default: the embedded store */
export async function startStore(stage: Stage, database?: string): Promise<Target> {
  const port = await freePort()
  const name = database === undefined ? 'store' : 'store-in-database'
  const file = join(stage.folder, `${name}.json`)
  await writeFile(file, JSON.stringify({ port, dataFolder: join(stage.folder, name), database, access: KEYS }))
  const url = `http://127.0.0.1:${port}`
  const program = await startProgram(stage, { command: functionNode, args: [storeEntry, file], url: `${url}/healthz` })
  await send('PUT', `${url}/tables/read/docs/one`, JSON.stringify({ data: DOCUMENT }))
  const body = JSON.stringify({ data: DOCUMENT })
  return { ...program, url, create: `${url}/tables/written/docs`, read: `${url}/tables/read/docs/one`, body }
}

function startBare(stage: Stage): Promise<Target> {
  return startRoutes(stage, './bare-routes.mjs')
}

function startLmdb(stage: Stage): Promise<Target> {
  return startRoutes(stage, './lmdb-route.mjs', join(stage.folder, 'lmdb'))
}

async function startRoutes(stage: Stage, script: string, ...rest: string[]): Promise<Target> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const args = [here(script), String(port), ...rest]
  const program = await startProgram(stage, { command: functionNode, args, url })
  const body = JSON.stringify({ data: DOCUMENT })
  return { ...program, url, create: `${url}/tables/written/docs`, read: `${url}/tables/read/docs/one`, body }
}

async function startJsonServer(stage: Stage): Promise<Target> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const file = join(stage.folder, 'json-server.json')
  await writeFile(file, JSON.stringify({ written: [], read: [{ id: 'one', ...DOCUMENT }] }))
  const cli = createRequire(import.meta.url).resolve('json-server/lib/cli/bin.js')
  const args = [cli, '--port', String(port), '--host', '127.0.0.1', '--quiet', file]
  const program = await startProgram(stage, { command: functionNode, args, url })
  return { ...program, url, create: `${url}/written`, read: `${url}/read/one`, body: JSON.stringify(DOCUMENT) }
}

/** @returns completed requests per second */
export async function load(
  stage: Stage,
  url: string,
  { seconds, body }: { seconds: number; body?: string },
): Promise<number> {
  const script = join(stage.folder, 'post.lua')
  if (body !== undefined) {
    await writeFile(
      script,
      `wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\nwrk.body = [[${body}]]\n`,
    )
  }
  const head = ['-H', `Authorization: ${AUTHORIZATION}`]
  const args = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, ...head, ...(body === undefined ? [] : ['-s', script]), url]
  const text = await run('wrk', args)
  const failed = /Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1]
  if (failed !== undefined) throw new Error(`${url} refused ${failed} requests`)
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1])
}

function writeRate(stage: Stage, store: Target, table: string, seconds: number): Promise<number> {
  return load(stage, `${store.url}/tables/${table}/docs`, { seconds, body: store.body })
}

async function importDocuments(url: string, { table, count }: { table: string; count: number }): Promise<void> {
  const lines = function* () {
    for (let at = 0; at < count; at += 1_000) {
      const some = Array.from({ length: Math.min(1_000, count - at) }, (_, i) =>
        JSON.stringify({ id: `d${at + i}`, data: { ...DOCUMENT, amount: at + i } }),
      )
      yield new TextEncoder().encode(`${some.join('\n')}\n`)
    }
  }
  const body = Readable.toWeb(Readable.from(lines())) as NonNullable<RequestInit['body']>
  const init: RequestInit & { duplex: 'half' } = { method: 'POST', body, duplex: 'half' }
  const response = await fetch(`${url}/tables/${table}/import`, {
    ...init,
    headers: { 'content-type': 'application/x-ndjson', authorization: AUTHORIZATION },
  })
  if (!response.ok) throw new Error(`the import was answered ${response.status}: ${await response.text()}`)
  await response.arrayBuffer()
}

async function indexed(url: string, table: string): Promise<void> {
  await send('PUT', `${url}/tables/${table}/indexes/amount`)
  for (;;) {
    const { indexes } = (await (await ask(`${url}/tables/${table}/indexes`)).json()) as {
      indexes: { state: string }[]
    }
    if (indexes.every(({ state }) => state === 'ready')) return
    await pause(100)
  }
}

async function queries(url: string, documents: number, count: number): Promise<number[]> {
  const durations: number[] = []
  for (let i = 0; i < count; i += 1) {
    const amount = Math.floor((documents * (i + 0.5)) / count)
    const where = encodeURIComponent(JSON.stringify({ amount: { '>=': amount, '<': amount + 10 } }))
    const begin = performance.now()
    const response = await ask(`${url}/tables/many/docs?where=${where}`)
    const { documents: found } = (await response.json()) as { documents: unknown[] }
    durations.push(performance.now() - begin)
    if (found.length === 0) throw new Error(`nothing was found from ${amount} on`)
  }
  return durations
}

function ask(url: string): Promise<Response> {
  return fetch(url, { headers: { authorization: AUTHORIZATION } })
}

async function compareEngines(stage: Stage): Promise<Record<string, { together: number; alone: number }>> {
  const text = await run(functionNode, [here('./engines.mjs'), stage.folder, stage.quick ? '100' : '1000'])
  return JSON.parse(text) as Record<string, { together: number; alone: number }>
}

async function send(method: string, url: string, body?: string): Promise<void> {
  const headers = { authorization: AUTHORIZATION, ...(body !== undefined && { 'content-type': 'application/json' }) }
  const response = await until(() => fetch(url, { method, headers, ...(body !== undefined && { body }) }))
  if (!response.ok) throw new Error(`${method} ${url} was answered ${response.status}: ${await response.text()}`)
  await response.arrayBuffer()
}
