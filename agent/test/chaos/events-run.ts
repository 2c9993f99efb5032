/**
 * One run of chaos on documents: many writers while store, NATS, dispatcher, proxy, agent and instances are killed;
 * then everything is left alone until the trigger has seen all there is.
 *
 * What must hold: every acknowledged write is there with its version; none is half there; each has exactly one event,
 * in the log and in the stream; the trigger saw each event at least once, and those of a document in their order.
 */
import { join } from 'node:path'
import { connectBus, STREAMS, streamState } from '../../src/bus/index.ts'
import { ensureCredentials } from '../../src/services/nats/index.ts'
import { logLinesOf } from '../support/function-log.ts'
import { writeProject, type StoreFetch, type TestPlatform } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { TABLE, writeUnderFire, type WritersReport } from './documents-under-fire.ts'
import { documentFaults, logFaults, runFaults, type SeenEvent } from './event-faults.ts'
import { killParts, type Kills, type Victim } from './killer.ts'
import { readLog, type LoggedEvent } from './read-log.ts'
import { SeededRandom } from './seeded-random.ts'

export interface EventsChaosOptions {
  seed: number
  writers: number
  /** The writers stop after this many kills of the store. */
  storeKills: number
  engine: 'docker' | 'process'
  killGapMs: readonly [number, number]
  limitMs: number
  say?: (line: string) => void
}

export interface EventsReport {
  writes: number
  unanswered: number
  kills: Kills
  events: number
  /** Runs of the trigger beyond the first of each event. */
  repeatedRuns: number
  underFireMs: number
  settlingMs: number
  faults: string[]
}

const SEEN = `import type { DocumentEvent } from '@ryo-faas/runtime'
export const seen = (event: DocumentEvent) => console.log('saw', event.sequence, event.id, event.version)`
/** This run is mainly about the store. */
const VICTIMS: readonly Victim[] = [
  'store',
  'store',
  'store',
  'store',
  'nats',
  'dispatcher',
  'instance',
  'proxy',
  'agent',
]

/** @param platform not started yet; its creator removes it */
export async function runEventsChaos(platform: TestPlatform, options: EventsChaosOptions): Promise<EventsReport> {
  const begin = performance.now()
  const limit = AbortSignal.timeout(options.limitMs)
  await platform.start(options.engine)
  const on = [{ table: TABLE, events: ['new-doc', 'updated-doc', 'deleted-doc'] }]
  const seen = { code: SEEN, options: { on, async: { attempts: 100, backoffMs: 50, concurrency: 16 } } }
  await platform.ok(['deploy', await writeProject(join(platform.home, 'project'), { seen })])
  const store = await platform.store()
  const { report, kills } = await underFire(platform, { ...options, store, limit })
  const settlingFrom = performance.now()
  const log = await until(() => readLog(store).catch(() => undefined), 60_000)
  const runs = await untilAllSeen(platform, log, options.limitMs - (performance.now() - begin))
  const end = performance.now()
  return {
    writes: report.happened.length,
    unanswered: report.unanswered,
    kills,
    events: log.length,
    repeatedRuns: runs.length - new Set(runs.map(({ sequence }) => sequence)).size,
    underFireMs: settlingFrom - begin,
    settlingMs: end - settlingFrom,
    faults: [
      ...report.faults,
      ...(await documentFaults(store, report)),
      ...logFaults(log, report.happened),
      ...runFaults(log, runs),
      ...(await streamFaults(platform, log)),
    ],
  }
}

async function underFire(
  platform: TestPlatform,
  options: EventsChaosOptions & { store: StoreFetch; limit: AbortSignal },
): Promise<{ report: WritersReport; kills: Kills }> {
  const { engine, seed, writers, storeKills, store, killGapMs: gapMs, limit, say = () => undefined } = options
  const random = new SeededRandom(seed)
  const stop = new AbortController()
  let left = storeKills
  const onKill = (victim: Victim) => {
    say(`killed ${victim}`)
    if (victim === 'store' && --left === 0) stop.abort()
  }
  const signal = AbortSignal.any([stop.signal, limit])
  const killing = killParts(platform, { engine, random, victims: VICTIMS, gapMs, onKill }, signal)
  const report = await writeUnderFire({ store, writers, random: new SeededRandom(seed + 1), stop: signal })
  return { report, kills: await killing }
}

async function untilAllSeen(platform: TestPlatform, log: LoggedEvent[], timeoutMs: number): Promise<SeenEvent[]> {
  let runs: SeenEvent[] = []
  // On a timeout, `runFaults` reports what is missing.
  await until(async () => {
    const lines = await logLinesOf(platform, 'seen').catch(() => [])
    runs = lines.flatMap(line => {
      const [, sequence, id] = /saw (\d+) (\S+) \d+$/.exec(line) ?? []
      return sequence === undefined ? [] : [{ sequence: Number(sequence), id: id! }]
    })
    return new Set(runs.map(({ sequence }) => sequence)).size >= log.length || undefined
  }, timeoutMs).catch(() => undefined)
  return runs
}

async function streamFaults(platform: TestPlatform, log: LoggedEvent[]): Promise<string[]> {
  const { parts } = await platform.view()
  const url = `nats://${parts.find(({ name }) => name === 'nats')!.address!}`
  const bus = await connectBus({ url, ...(await ensureCredentials(platform.home)), name: 'chaos' })
  try {
    const { messages } = await streamState(bus, STREAMS.events)
    return messages === log.length ? [] : [`the stream has ${messages} messages for ${log.length} events`]
  } finally {
    await bus.close()
  }
}
