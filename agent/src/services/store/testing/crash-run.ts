/**
 * Kills a store again and again while many write to it, and its bus as well; then looks whether all that was answered is
 * there, nothing is there by half, and the stream has each event once.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ensureStreams, STREAMS, streamState } from '../../../bus/index.ts'
import { startNats, type TestNats } from '../../../bus/testing/nats-server.ts'
import { openStore } from '../registry.ts'
import { ask, until } from '../store-testing.ts'
import { faultsAfter } from './crash-findings.ts'
import { INDEXED, runWriter, TABLES, type Memory } from './crash-writers.ts'
import { StoreProcess } from './store-process.ts'

export interface CrashOptions {
  seed: number
  writers: number
  /** How often the store is killed. */
  kills: number
  /** Of so many kills of the store one is accompanied by one of the bus. */
  busKillEvery: number
  /** Most milliseconds that the store lives, from its being ready. */
  longestLifeMs: number
  /** Entry of the store; default: its source. */
  main?: string
  say?: (line: string) => void
}

export interface CrashReport {
  acknowledged: number
  unanswered: number
  events: number
  busKills: number
  /** What must not be; empty if all went well. */
  faults: string[]
}

export async function runCrashes(options: CrashOptions): Promise<CrashReport> {
  const folder = await mkdtemp(join(tmpdir(), 'store-crash-'))
  const nats = await startNats()
  const { url, user, password } = nats
  const store = new StoreProcess(folder, { nats: { url, user, password } }, options.main)
  try {
    await ensureStreams(await nats.connect())
    return await crash(options, { nats, store })
  } finally {
    await store.kill()
    await nats.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

async function crash(
  options: CrashOptions,
  { nats, store }: { nats: TestNats; store: StoreProcess },
): Promise<CrashReport> {
  const { writers, kills, seed, say = () => undefined } = options
  const random = randomFrom(seed)
  const memory: Memory = { attempts: [], deletions: [], faults: [], unanswered: 0 }
  const stop = new AbortController()
  await store.start()
  for (const table of TABLES) await ask(store.port, `PUT /tables/${encodeURIComponent(table)}/indexes/${INDEXED}`)
  const writing = Array.from({ length: writers }, (_, number) =>
    runWriter({
      number,
      memory,
      random: randomFrom(seed * 1_000 + number),
      port: () => store.port,
      signal: stop.signal,
    }),
  )
  let busKills = 0
  for (let kill = 1; kill <= kills; kill += 1) {
    await delay(random() * options.longestLifeMs)
    const isBusToo = kill % options.busKillEvery === 0
    if (isBusToo) await nats.kill()
    await store.kill()
    say(`${kill} of ${kills} kills: ${memory.attempts.length} writes, ${memory.unanswered} without an answer`)
    await store.start()
    if (isBusToo) {
      busKills += 1
      await delay(random() * options.longestLifeMs)
      await nats.start()
    }
  }
  stop.abort()
  await Promise.all(writing)
  const bus = await nats.connect()
  const { last } = (await ask(store.port, 'GET /log')).json as { last: number }
  await until(async () => (await streamState(bus, STREAMS.events)).lastSequence >= last, 'all is relayed')
  const exitCode = await store.stop()
  if (exitCode !== 0) memory.faults.push(`the store ended with ${exitCode}`)
  const data = await openStore({ dataFolder: store.dataFolder, source: '' })
  const faults = await faultsAfter(data, bus, memory)
  await data.close()
  const acknowledged = memory.attempts.filter(({ versions }) => versions !== undefined).length + memory.deletions.length
  return { acknowledged, unanswered: memory.unanswered, events: last, busKills, faults }
}

/** Numbers from 0 to below 1 that come again with the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
