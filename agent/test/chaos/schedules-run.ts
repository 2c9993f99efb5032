/**
 * One run of chaos on schedules: every second is a time of each of them, while two dispatchers and all other parts are
 * killed; then everything is left alone until the schedules have caught up.
 *
 * What must hold: each time from the first to the last is exactly one call, whoever made it, and each has run.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { logLinesOf } from '../support/function-log.ts'
import { writeProject, type TestPlatform } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { killParts, VICTIMS, type Kills, type Victim } from './killer.ts'
import { SeededRandom } from './seeded-random.ts'

export interface SchedulesChaosOptions {
  seed: number
  functions: number
  /** For so long parts are killed, and until each was. */
  underFireMs: number
  killGapMs: readonly [number, number]
  limitMs: number
}

export interface SchedulesReport {
  kills: Kills
  /** Of all functions. */
  times: number
  /** Runs beyond the first of each call: of attempts that were broken off. */
  repeatedRuns: number
  faults: string[]
}

export interface ScheduledRun {
  at: number
  callId: string
}

const SECOND = 1_000
const CODE = (name: string) => `import { context } from '@ryo-faas/runtime'
export const ${name} = (request: Request) => {
  console.log('ran', Date.parse(request.headers.get('x-scheduled-at')!), context().callId)
  return new Response()
}`
const OPTIONS = {
  instances: 1,
  async: { attempts: 20, backoffMs: 200 },
  schedule: [{ cron: '* * * * * *', missed: 'all', overlap: 'queue' }],
}

/** @param platform not started yet; its creator removes it */
export async function runSchedulesChaos(
  platform: TestPlatform,
  { seed, functions, underFireMs, killGapMs, limitMs }: SchedulesChaosOptions,
): Promise<SchedulesReport> {
  await platform.start('process', ['--dispatchers', '2'])
  const names = Array.from({ length: functions }, (_, i) => `ticks${i}`)
  const project = Object.fromEntries(names.map(name => [name, { code: CODE(name), options: OPTIONS }]))
  await platform.ok(['deploy', await writeProject(join(platform.home, 'project'), project)])
  const firing = new AbortController()
  const random = new SeededRandom(seed)
  const left = new Set<Victim>(VICTIMS)
  const onKill = (victim: Victim) => void left.delete(victim)
  const options = { engine: 'process', random, victims: VICTIMS, gapMs: killGapMs, onKill } as const
  const killing = killParts(platform, options, firing.signal)
  await delay(underFireMs)
  // One that was dead already when its turn came has another.
  await until(() => Promise.resolve(left.size === 0 || undefined), limitMs, 'all parts were killed').finally(() =>
    firing.abort(),
  )
  const kills = await killing
  const calm = Date.now()
  const runs = new Map<string, ScheduledRun[]>()
  for (const name of names) {
    await until(
      async () => {
        // The agent may not be back yet.
        const found = await runsOf(platform, name).catch(() => [] as ScheduledRun[])
        runs.set(name, found)
        return found.some(({ at }) => at > calm) || undefined
      },
      limitMs,
      `${name} has caught up`,
    )
  }
  const all = [...runs.values()].flat()
  const calls = new Set(all.map(({ callId }) => callId))
  return {
    kills,
    times: calls.size,
    repeatedRuns: all.length - calls.size,
    faults: [...runs].flatMap(([name, own]) => scheduleFaults(own, calm).map(fault => `${name}: ${fault}`)),
  }
}

async function runsOf(platform: TestPlatform, name: string): Promise<ScheduledRun[]> {
  const lines = await logLinesOf(platform, name)
  return lines.flatMap(line => {
    const [, at, callId] = /ran (\d+) (\S+)/.exec(line) ?? []
    return callId === undefined ? [] : [{ at: Number(at), callId }]
  })
}

/** Of the times up to `calm`: those after it may still be running. */
export function scheduleFaults(runs: ScheduledRun[], calm: number): string[] {
  const byTime = new Map<number, Set<string>>()
  for (const { at, callId } of runs) byTime.set(at, (byTime.get(at) ?? new Set()).add(callId))
  const first = Math.min(...byTime.keys())
  const faults: string[] = []
  for (let at = first; at <= calm; at += SECOND) {
    const calls = byTime.get(at)?.size ?? 0
    if (calls !== 1) faults.push(`${calls} calls at ${new Date(at).toISOString()}`)
  }
  return faults
}
