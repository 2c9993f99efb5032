/**
 * One run of chaos on three machines: synchronous calls, asynchronous calls with callbacks, documents with their trigger and
 * a schedule, while machines are killed and cut off, one at a time; then everything is left alone until it is over.
 *
 * What must hold is in `faults`. What a part believes about itself is no evidence: functions tell of their runs to a
 * receiver beside the machines.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { CallbackReceiver } from '../async/callback-receiver.ts'
import type { MachineCluster } from '../support/machine-cluster.ts'
import { untilFinal } from './call-statuses.ts'
import { writeUnderFire, type WritersReport } from './documents-under-fire.ts'
import { documentFaults, logFaults, runFaults } from './event-faults.ts'
import { faultsIn, type Run } from './evidence.ts'
import { LiveProxies } from './live-proxies.ts'
import { TroubleMaker, TROUBLES, type Trouble } from './machine-trouble.ts'
import { functionsTelling, storeThrough } from './machines-functions.ts'
import { divergingFaults } from './diverging.ts'
import { queueCalls, type Queued } from './queue-calls.ts'
import type { LoggedEvent } from './read-log.ts'
import { RunReceiver } from './run-receiver.ts'
import { scheduleFaults, type ScheduledRun } from './schedules-run.ts'
import { SeededRandom } from './seeded-random.ts'
import { callSteadily, type SyncReport } from './sync-callers.ts'
import { join } from 'node:path'

export interface MachinesChaosOptions {
  seed: number
  rounds: number
  /** Synchronous and asynchronous calls, and writes of documents. */
  perSecond: number
  limitMs: number
  say?: (line: string) => void
}

export interface MachinesReport {
  troubles: Trouble[]
  sync: SyncReport
  /** For each trouble: calls that failed, and for how long after it such were still sent. */
  lost: { trouble: Trouble; failures: number; lastSentMs: number; longestMs: number }[]
  accepted: number
  unanswered: number
  repeatedRuns: number
  writes: number
  events: number
  repeatedEvents: number
  times: number
  underFireMs: number
  settlingMs: number
  faults: string[]
}

const WRITERS = 8
const SHARE = { sync: 0.8, async: 0.1 }
/** Traffic has moved by then. */
const MOVED_MS = 2_000
const QUIET_MS = [1_000, 3_000] as const
const LONG_EVERY = 50
const LONG_BYTES = 600 * 1024
const CONNECTIONS = 16

export async function runMachinesChaos(
  cluster: MachineCluster,
  options: MachinesChaosOptions,
): Promise<MachinesReport> {
  const { say = () => undefined } = options
  const limit = AbortSignal.timeout(options.limitMs)
  const { gateway } = cluster.machines
  const first = cluster.members[0]!.platform
  const { callbackSecret } = JSON.parse(await first.ok(['env', '--secrets', '--json'])) as { callbackSecret: string }
  const [receiver, callbacks] = await Promise.all([
    RunReceiver.start(gateway),
    CallbackReceiver.start(callbackSecret, gateway),
  ])
  const proxies = new LiveProxies(cluster.urls.map(({ url }) => url))
  try {
    const project = await writeProject(join(first.home, 'project-1'), functionsTelling(receiver.url))
    await first.ok(['deploy', project])
    await until(async () => proxies.all.length === cluster.members.length + 1 || undefined, 60_000, 'all proxies serve')
    say('all functions are deployed, all proxies serve')
    const begin = performance.now()
    const fire = await underFire(cluster, { ...options, proxies, callbacks, limit, say })
    const settlingFrom = performance.now()
    say(
      `all is calm; waiting for ${fire.queued.callIds.size} calls and the events of ${fire.writers.happened.length} writes`,
    )
    const calm = Date.now()
    const statuses = await untilFinal(() => proxies.next(), [...fire.queued.callIds.values()], limit)
    const [runs, seen, ticks] = [
      () => receiver.of<Run>('work'),
      () => receiver.of<LoggedEvent>('seen'),
      () => receiver.of<ScheduledRun>('ticks'),
    ]
    const log = () => [...new Map(seen().map(event => [event.sequence, event])).values()]
    await until(async () => log().length >= fire.writers.happened.length || limit.aborted || undefined, options.limitMs)
    await until(async () => ticks().some(({ at }) => at > calm) || limit.aborted || undefined, options.limitMs)
    const { received } = callbacks
    const sorted = log().sort((one, other) => one.sequence - other.sequence)
    return {
      troubles: fire.troubles,
      sync: fire.sync,
      lost: fire.troubles.map((trouble, index) => lostBy(trouble, fire.troubles[index + 1], fire.sync)),
      accepted: fire.queued.callIds.size,
      unanswered: fire.queued.unanswered + fire.writers.unanswered,
      repeatedRuns: runs().length - new Set(runs().map(({ callId }) => callId)).size,
      writes: fire.writers.happened.length,
      events: sorted.length,
      repeatedEvents: seen().length - sorted.length,
      times: ticks().length,
      underFireMs: settlingFrom - begin,
      settlingMs: performance.now() - settlingFrom,
      faults: [
        ...fire.writers.faults,
        ...faultsIn({
          calls: fire.queued.callIds.size,
          callIds: fire.queued.callIds,
          statuses,
          received,
          runs: runs(),
          paddingOf,
        }),
        ...(await documentFaults(storeThrough(proxies), fire.writers).catch((error: Error) => [
          `documents: ${error.message}`,
        ])),
        ...logFaults(sorted, fire.writers.happened),
        ...runFaults(sorted, seen()),
        ...scheduleFaults(ticks(), calm).map(fault => `schedule: ${fault}`),
        ...syncFaults(fire.sync, fire.begun),
        ...(await divergingFaults(cluster, proxies, fire.version)),
        ...(fire.troubles.length === options.rounds
          ? []
          : [`${fire.troubles.length} of ${options.rounds} rounds in the time`]),
      ],
    }
  } finally {
    await proxies.close()
    await Promise.all([receiver.close(), callbacks.close()])
  }
}

interface Fire {
  troubles: Trouble[]
  /** When each began. */
  begun: readonly number[]
  version: number
  sync: SyncReport
  queued: Queued
  writers: WritersReport
}

async function underFire(
  cluster: MachineCluster,
  options: MachinesChaosOptions & {
    proxies: LiveProxies
    callbacks: CallbackReceiver
    limit: AbortSignal
    say: (line: string) => void
  },
): Promise<Fire> {
  const { seed, rounds, perSecond, proxies, callbacks, limit, say } = options
  const random = new SeededRandom(seed)
  const over = new AbortController()
  const signal = AbortSignal.any([over.signal, limit])
  const begin = performance.now()
  const tell = (what: string) => say(`${((performance.now() - begin) / 1_000).toFixed(1).padStart(6)} s ${what}`)
  const syncing = callSteadily(proxies, { path: '/functions/hello', perSecond: perSecond * SHARE.sync, signal })
  const queueing = queueCalls({
    url: () => `${proxies.next()}/functions/work`,
    calls: Infinity,
    perSecond: perSecond * SHARE.async,
    connections: CONNECTIONS,
    keyPrefix: `machines-${seed}`,
    callbackUrl: callbacks.url,
    bodyOf: n => JSON.stringify({ n, padding: 'x'.repeat(paddingOf(n)) }),
    stop: signal,
    signal: limit,
  })
  const store = storeThrough(proxies)
  const writing = writeUnderFire({
    ...{ store, writers: WRITERS, isCutOff: true, random: new SeededRandom(seed + 1) },
    ...{ stop: signal, limit },
  })
  const maker = new TroubleMaker({ cluster, proxies, random, signal: limit, say: tell })
  const troubles: Trouble[] = []
  try {
    const kinds = Array.from({ length: Math.ceil(rounds / TROUBLES.length) }, (_, turn) =>
      turn === 0 ? [TROUBLES[0], ...random.shuffled(TROUBLES.slice(1))] : random.shuffled(TROUBLES),
    ).flat()
    for (const kind of kinds.slice(0, rounds)) {
      await delay(random.between(...QUIET_MS))
      troubles.push(await maker.make(kind))
    }
    await delay(QUIET_MS[1])
  } catch (error) {
    tell(`no further round: ${(error as Error).message}`)
  } finally {
    over.abort()
  }
  const [sync, queued, writers] = await Promise.all([syncing, queueing, writing])
  return { troubles, begun: maker.begun, version: maker.version, sync, queued, writers }
}

function paddingOf(n: number): number {
  return n % LONG_EVERY === LONG_EVERY - 1 ? LONG_BYTES : 0
}

function lostBy(trouble: Trouble, next: Trouble | undefined, { failures }: SyncReport): MachinesReport['lost'][number] {
  const own = failures.filter(
    ({ at, ms }) => at + ms >= trouble.at && at < (next?.at ?? Infinity) && at < trouble.endedAt,
  )
  return {
    trouble,
    failures: own.length,
    lastSentMs: Math.max(0, ...own.map(({ at }) => at - trouble.at)),
    longestMs: Math.max(0, ...own.map(({ ms }) => ms)),
  }
}

/** Only what was in flight when a machine was lost may fail. */
function syncFaults({ failures, mixedUp }: SyncReport, troubles: readonly number[]): string[] {
  const isInFlight = (failure: { at: number; ms: number }) =>
    troubles.some(at => failure.at + failure.ms >= at && failure.at <= at + MOVED_MS)
  const others = failures.filter(failure => !isInFlight(failure))
  const begin = troubles[0] ?? 0
  const byReason = new Map<string, typeof others>()
  for (const failure of others) byReason.set(failure.reason, [...(byReason.get(failure.reason) ?? []), failure])
  const when = ({ at }: { at: number }) => `${((at - begin) / 1_000).toFixed(1)} s`
  return [
    ...(mixedUp === 0 ? [] : [`${mixedUp} calls got the answer of another one`]),
    ...[...byReason].map(
      ([reason, all]) =>
        `${all.length} calls, sent ${when(all[0]!)} to ${when(all.at(-1)!)} after the first trouble, failed: ${reason}`,
    ),
  ]
}
