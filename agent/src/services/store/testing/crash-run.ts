/**
 * Kills a store again and again while many write to it, its bus as well, and the database if it has one; then looks
 * whether all that was answered is there, nothing is there by half, and the stream has each event once.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ensureStreams, STREAMS, streamState } from '../../../bus/index.ts'
import { startNats, type TestNats } from '../../../bus/testing/nats-server.ts'
import { openStore } from '../registry.ts'
import { ask, until } from '../store-testing.ts'
import { faultsAfter } from './crash-findings.ts'
import { INDEXED, runWriter, TABLES, type Memory } from './crash-writers.ts'
import { SeededRandom } from '../../../../test/chaos/seeded-random.ts'
import { StoreProcess } from './store-process.ts'

export interface CrashOptions {
  seed: number
  writers: number
  /** How often a store is killed. */
  kills: number
  /** Processes on the same database, which all write and all relay; they are killed in turn. Default 1. */
  stores?: number
  /** Of so many kills of the store one is accompanied by one of the bus. */
  busKillEvery: number
  /** Where the documents are; default: in the store's folder. It is killed as often as the store. */
  database?: { url(): string; kill(): Promise<void>; start(): Promise<void> }
  /** Most milliseconds that the store lives, from its being ready. */
  longestLifeMs: number
  /** Entry of the store. */
  main: string
  say?: (line: string) => void
}

export interface CrashReport {
  acknowledged: number
  unanswered: number
  events: number
  busKills: number
  databaseKills: number
  /** What must not be; empty if all went well. */
  faults: string[]
}

export async function runCrashes(options: CrashOptions): Promise<CrashReport> {
  const folder = await mkdtemp(join(tmpdir(), 'store-crash-'))
  const nats = await startNats()
  const { url, user, password } = nats
  const { database, main } = options
  const processOptions = { nats: { url, user, password }, ...(database && { database: database.url() }) }
  const stores = await Promise.all(
    Array.from({ length: options.stores ?? 1 }, async (_, number) => {
      const own = join(folder, String(number))
      await mkdir(own)
      return new StoreProcess(own, main, processOptions)
    }),
  )
  try {
    await ensureStreams(await nats.connect())
    return await crash(options, { nats, stores })
  } finally {
    await Promise.all(stores.map(store => store.kill()))
    await nats.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

async function crash(
  options: CrashOptions,
  { nats, stores }: { nats: TestNats; stores: StoreProcess[] },
): Promise<CrashReport> {
  const { writers, kills, seed, database, say = () => undefined } = options
  const random = new SeededRandom(seed)
  const memory: Memory = { attempts: [], deletions: [], faults: [], unanswered: 0 }
  const stop = new AbortController()
  const [first] = stores as [StoreProcess]
  for (const store of stores) await store.start()
  for (const table of TABLES) await ask(first.port, `PUT /tables/${encodeURIComponent(table)}/indexes/${INDEXED}`)
  const writing = Array.from({ length: writers }, (_, number) =>
    runWriter({
      number,
      memory,
      random: new SeededRandom(seed * 1_000 + number),
      port: () => stores[number % stores.length]!.port,
      signal: stop.signal,
    }),
  )
  let [busKills, databaseKills] = [0, 0]
  for (let kill = 1; kill <= kills; kill += 1) {
    const store = stores[kill % stores.length]!
    await delay(random.next() * options.longestLifeMs)
    if (database !== undefined) {
      await database.kill()
      databaseKills += 1
      // Sometimes the store finds it back, and sometimes it is killed before it does.
      if (random.next() < 0.7) {
        await database.start()
        await delay(random.next() * options.longestLifeMs)
      } else {
        await store.kill()
        await database.start()
        await store.start()
      }
    }
    const isBusToo = kill % options.busKillEvery === 0
    if (isBusToo) await nats.kill()
    await store.kill()
    say(`${kill} of ${kills} kills: ${memory.attempts.length} writes, ${memory.unanswered} without an answer`)
    await store.start()
    if (isBusToo) {
      busKills += 1
      await delay(random.next() * options.longestLifeMs)
      await nats.start()
    }
  }
  stop.abort()
  await Promise.all(writing)
  const bus = await nats.connect()
  const { last } = (await ask(first.port, 'GET /log')).json as { last: number }
  await until(async () => (await streamState(bus, STREAMS.events)).lastSequence >= last, 'all is relayed')
  for (const store of stores) {
    const exitCode = await store.stop()
    if (exitCode !== 0) memory.faults.push(`a store ended with ${exitCode}`)
  }
  const place = { dataFolder: first.dataFolder, ...(database && { database: database.url() }) }
  const data = await openStore({ ...place, source: '' })
  const faults = await faultsAfter(data, bus, memory)
  await data.close()
  const acknowledged = memory.attempts.filter(({ versions }) => versions !== undefined).length + memory.deletions.length
  return { acknowledged, unanswered: memory.unanswered, events: last, busKills, databaseKills, faults }
}
