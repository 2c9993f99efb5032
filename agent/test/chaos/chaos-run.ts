/**
 * One run of chaos: calls with callbacks are queued while parts of the platform are killed; then everything is left
 * alone until each accepted call has ended. The report contains what a caller can see: what a part believes about
 * itself is not evidence.
 */
import { join } from 'node:path'
import { CallbackReceiver } from '../async/callback-receiver.ts'
import { logLinesOf } from '../support/function-log.ts'
import { writeProject, type TestPlatform } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { untilFinal } from './call-statuses.ts'
import { faultsIn, type Answer, type Run } from './evidence.ts'
import { killParts, VICTIMS, type Kills } from './killer.ts'
import { queueCalls, type Queued } from './queue-calls.ts'
import { SeededRandom } from './seeded-random.ts'

export interface ChaosOptions {
  seed: number
  calls: number
  engine: 'docker' | 'process'
  dispatchers: number
  perSecond: number
  /** Minimum and maximum milliseconds between two kills. */
  killGapMs: readonly [number, number]
  /** Time limit of the run: calls that have not ended by then count as lost. */
  limitMs: number
  say?: (line: string) => void
}

export interface ChaosReport {
  accepted: number
  /** Requests that got no 202 and were sent again. */
  unanswered: number
  /** How many accepted calls are in which state. */
  states: Record<string, number>
  kills: Kills
  /** Runs of the function beyond the first of each call. */
  repeatedRuns: number
  /** Callbacks beyond the first of each call. */
  repeatedCallbacks: number
  acceptingMs: number
  settlingMs: number
  /** Violations; empty if all went well. */
  faults: string[]
}

const FUNCTION = `import { context } from '@ryo-faas/runtime'
export async function work(request: Request) {
  const { callId, attempt } = context()
  const { n, ms, padding } = await request.json()
  if (attempt === 1 && n % 10 === 0) return new Response('try again', { status: 503 })
  console.log('ran', callId, n)
  await new Promise(resolve => setTimeout(resolve, ms))
  return Response.json({ n, callId, padding })
}`
/** Enough attempts that no call dies of too many crashes. */
const POLICY = { attempts: 20, backoffMs: 200, concurrency: 32 }
const CONNECTIONS = 16
const MOST_RUN_MS = 500
/** One in this many calls has its callback refused once. */
const REFUSED_EVERY = 20
/** One in this many calls has a body and a result that do not fit into a message. */
const LONG_EVERY = 50
const LONG_BYTES = 600 * 1024
const RETURN_TIMEOUT_MS = 60_000

/** @param platform not started yet; its creator removes it */
export async function runChaos(platform: TestPlatform, options: ChaosOptions): Promise<ChaosReport> {
  const signal = AbortSignal.timeout(options.limitMs)
  const flags = ['--dispatchers', String(options.dispatchers), '--callback-allow', '127.0.0.1']
  const { proxyUrl } = await platform.start(options.engine, flags)
  const work = { code: FUNCTION, options: { async: POLICY, instances: 2 } }
  await platform.ok(['deploy', await writeProject(join(platform.home, 'project'), { work })])
  const receiver = await startReceiver(platform)
  try {
    const begin = performance.now()
    const { queued, kills } = await queueUnderFire(platform, { ...options, proxyUrl, receiver, signal })
    const settlingFrom = performance.now()
    const statuses = await untilFinal(proxyUrl, [...queued.callIds.values()], signal)
    const end = performance.now()
    await untilWhole(platform)
    const runs = await runsOf(platform)
    const { calls } = options
    const { received } = receiver
    return {
      accepted: queued.callIds.size,
      unanswered: queued.unanswered,
      states: Object.fromEntries(countBy([...statuses.values()], ({ status }) => status)),
      kills,
      repeatedRuns: beyondFirst(runs),
      repeatedCallbacks: beyondFirst(received),
      acceptingMs: settlingFrom - begin,
      settlingMs: end - settlingFrom,
      faults: [
        ...faultsIn({ calls, callIds: queued.callIds, statuses, received, runs, paddingOf }),
        ...VICTIMS.filter(victim => kills.get(victim) === 0).map(victim => `${victim} was never killed`),
      ],
    }
  } finally {
    await receiver.close()
  }
}

async function startReceiver(platform: TestPlatform): Promise<CallbackReceiver> {
  const { callbackSecret } = JSON.parse(await platform.ok(['env', '--secrets', '--json'])) as { callbackSecret: string }
  const receiver = await CallbackReceiver.start(callbackSecret)
  receiver.refuses = ({ callId, body }) => {
    const { n } = JSON.parse(body) as Answer
    return n % REFUSED_EVERY === 1 && receiver.refused.every(callback => callback.callId !== callId)
  }
  return receiver
}

async function queueUnderFire(
  platform: TestPlatform,
  options: ChaosOptions & { proxyUrl: string; receiver: CallbackReceiver; signal: AbortSignal },
): Promise<{ queued: Queued; kills: Kills }> {
  const { seed, engine, calls, perSecond, killGapMs: gapMs, signal, say = () => undefined } = options
  const random = new SeededRandom(seed)
  const runMs = Array.from({ length: calls }, () => Math.floor(random.between(0, MOST_RUN_MS)))
  const begin = performance.now()
  const tell = (what: string) => say(`${((performance.now() - begin) / 1_000).toFixed(1).padStart(6)} s ${what}`)
  const stop = new AbortController()
  const killing = killParts(
    platform,
    { engine, random, victims: VICTIMS, gapMs, onKill: victim => tell(`killed ${victim}`) },
    stop.signal,
  )
  try {
    const queued = await queueCalls({
      url: `${options.proxyUrl}/functions/work`,
      calls,
      perSecond,
      connections: CONNECTIONS,
      keyPrefix: `chaos-${seed}`,
      callbackUrl: options.receiver.url,
      bodyOf: n => JSON.stringify({ n, ms: runMs[n], padding: 'x'.repeat(paddingOf(n)) }),
      signal,
    })
    tell(`${queued.callIds.size} calls accepted; waiting for their ends`)
    stop.abort()
    return { queued, kills: await killing }
  } finally {
    stop.abort()
  }
}

function paddingOf(n: number): number {
  return n % LONG_EVERY === LONG_EVERY - 1 ? LONG_BYTES : 0
}

/** An agent that is killed repeatedly comes back later each time. */
async function untilWhole(platform: TestPlatform): Promise<void> {
  await until(async () => {
    const view = await platform.view().catch(() => undefined)
    return view?.phase.kind === 'ready' || undefined
  }, RETURN_TIMEOUT_MS)
}

async function runsOf(platform: TestPlatform): Promise<Run[]> {
  return (await logLinesOf(platform, 'work')).flatMap(line => {
    const [, callId, n] = /ran (\S+) (\d+)$/.exec(line) ?? []
    return callId === undefined ? [] : [{ callId, n: Number(n) }]
  })
}

function countBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1)
  return counts
}

function beyondFirst(items: readonly { callId: string }[]): number {
  return items.length - new Set(items.map(({ callId }) => callId)).size
}
