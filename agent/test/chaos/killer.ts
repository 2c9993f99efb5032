/**
 * Kills parts of a platform with SIGKILL repeatedly, whatever state the others are in. A seed determines times and
 * victims. It spares the keeper, which restarts the agent: only the agent can restart a keeper.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Docker from 'dockerode'
import { identifyProcess, ProcessIdentity, signalProcess } from '../../src/host/index.ts'
import type { TestPlatform } from '../support/platform.ts'
import type { SeededRandom } from './seeded-random.ts'

export type Victim = 'dispatcher' | 'proxy' | 'instance' | 'agent' | 'nats' | 'store'
/** The parts that calls need. */
export const VICTIMS = ['dispatcher', 'proxy', 'instance', 'agent', 'nats'] as const satisfies Victim[]

export interface KillerOptions {
  engine: 'docker' | 'process'
  random: SeededRandom
  /** Each round kills every one of them; one that is listed twice is killed twice as often. */
  victims: readonly Victim[]
  /** Minimum and maximum milliseconds between two kills. */
  gapMs: readonly [number, number]
  onKill?: (victim: Victim) => void
}

/** How often each was killed. */
export type Kills = Map<Victim, number>

/** Runs until aborted. @returns how many of each it killed */
export async function killParts(platform: TestPlatform, options: KillerOptions, signal: AbortSignal): Promise<Kills> {
  const { random, victims, gapMs, onKill } = options
  const kills: Kills = new Map(victims.map(victim => [victim, 0]))
  for (;;) {
    // In rounds, so that even a short run kills each of them.
    for (const victim of random.shuffled(victims)) {
      await delay(random.between(...gapMs), undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return kills
      const candidates = await processesOf(victim, platform, options.engine)
      const chosen = candidates[Math.floor(random.next() * candidates.length)]
      // It may already be dead, and not back yet.
      if (chosen === undefined || !(await signalProcess(chosen, 'SIGKILL'))) continue
      kills.set(victim, kills.get(victim)! + 1)
      onKill?.(victim)
    }
  }
}

/** Those that run now. */
export async function processesOf(
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
        .catch(() => undefined) // It has just exited.
      return info?.State.Running ? identifyProcess(info.State.Pid) : undefined
    }),
  )
  return found.filter(identity => identity !== undefined)
}

function parseSaved(value: unknown): ProcessIdentity {
  return ProcessIdentity.parse((value as { identity: unknown }).identity)
}

/** Contents of the files that exist now. */
async function identitiesIn(files: string[], parse: (value: unknown) => ProcessIdentity): Promise<ProcessIdentity[]> {
  const texts = await Promise.all(files.map(file => readFile(file, 'utf8').catch(() => undefined)))
  return texts.filter(text => text !== undefined).map(text => parse(JSON.parse(text)))
}
