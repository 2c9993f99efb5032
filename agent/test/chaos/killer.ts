/**
 * Kills parts of a platform with SIGKILL, over and over, whatever state the others are in. Moments and victims come from
 * a seed. All but the keeper: it brings the agent back, and only the agent brings back a keeper.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Docker from 'dockerode'
import { identifyProcess, ProcessIdentity, signalProcess } from '../../src/host/index.ts'
import type { TestPlatform } from '../support/platform.ts'
import type { SeededRandom } from './seeded-random.ts'

export type Victim = 'dispatcher' | 'proxy' | 'instance' | 'agent' | 'nats' | 'store'
/** Those that calls need. */
export const VICTIMS = ['dispatcher', 'proxy', 'instance', 'agent', 'nats'] as const satisfies Victim[]

export interface KillerOptions {
  engine: 'docker' | 'process'
  random: SeededRandom
  /** In each round every one of them; one that stands here twice is killed twice as often. */
  victims: readonly Victim[]
  /** Least and most milliseconds from one kill to the next. */
  gapMs: readonly [number, number]
  onKill?: (victim: Victim) => void
}

/** How often each was killed. */
export type Kills = Map<Victim, number>

/** Goes on until it is aborted. @returns how many of each it killed. */
export async function killParts(platform: TestPlatform, options: KillerOptions, signal: AbortSignal): Promise<Kills> {
  const { random, victims, gapMs, onKill } = options
  const kills: Kills = new Map(victims.map(victim => [victim, 0]))
  for (;;) {
    // In rounds, so that a short run kills each of them too.
    for (const victim of random.shuffled(victims)) {
      await delay(random.between(...gapMs), undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return kills
      const candidates = await processesOf(victim, platform, options.engine)
      const chosen = candidates[Math.floor(random.next() * candidates.length)]
      // Perhaps it is dead already, and not back yet.
      if (chosen === undefined || !(await signalProcess(chosen, 'SIGKILL'))) continue
      kills.set(victim, kills.get(victim)! + 1)
      onKill?.(victim)
    }
  }
}

async function processesOf(
  victim: Victim,
  platform: TestPlatform,
  engine: 'docker' | 'process',
): Promise<ProcessIdentity[]> {
  const { home } = platform
  switch (victim) {
    case 'agent':
      return identitiesIn([join(home, 'agent.json')], ProcessIdentity.parse)
    case 'instance':
      return engine === 'docker'
        ? instancesInContainers(platform)
        : identitiesAt(join(home, 'run', 'instances'), /\.json$/)
    case 'dispatcher':
      return identitiesAt(join(home, 'run'), /^dispatcher(-\d+)?\.json$/)
    case 'proxy':
    case 'nats':
    case 'store':
      return identitiesIn([join(home, 'run', `${victim}.json`)], parseSaved)
  }
}

async function identitiesAt(folder: string, pattern: RegExp): Promise<ProcessIdentity[]> {
  const names = (await readdir(folder)).filter(name => pattern.test(name)).sort()
  return identitiesIn(
    names.map(name => join(folder, name)),
    parseSaved,
  )
}

async function instancesInContainers({ project }: TestPlatform): Promise<ProcessIdentity[]> {
  const docker = new Docker()
  const containers = await docker.listContainers({ filters: { label: [`${project}=function`] } })
  const found = await Promise.all(
    containers.map(async ({ Id }) => {
      const info = await docker
        .getContainer(Id)
        .inspect()
        .catch(() => undefined) // It ends just now.
      return info?.State.Running ? identifyProcess(info.State.Pid) : undefined
    }),
  )
  return found.filter(identity => identity !== undefined)
}

function parseSaved(value: unknown): ProcessIdentity {
  return ProcessIdentity.parse((value as { identity: unknown }).identity)
}

/** Of those files that are there now. */
async function identitiesIn(files: string[], parse: (value: unknown) => ProcessIdentity): Promise<ProcessIdentity[]> {
  const texts = await Promise.all(files.map(file => readFile(file, 'utf8').catch(() => undefined)))
  return texts.filter(text => text !== undefined).map(text => parse(JSON.parse(text)))
}
