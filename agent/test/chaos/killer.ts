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

export const VICTIMS = ['dispatcher', 'proxy', 'instance', 'agent', 'nats'] as const
export type Victim = (typeof VICTIMS)[number]

export interface KillerOptions {
  engine: 'docker' | 'process'
  random: SeededRandom
  /** Least and most milliseconds from one kill to the next. */
  gapMs: readonly [number, number]
  onKill?: (victim: Victim) => void
}

/** Goes on until it is aborted. @returns how many of each it killed. */
export async function killParts(
  platform: TestPlatform,
  options: KillerOptions,
  signal: AbortSignal,
): Promise<Record<Victim, number>> {
  const { random, gapMs, onKill } = options
  const kills = { dispatcher: 0, proxy: 0, instance: 0, agent: 0, nats: 0 }
  for (;;) {
    // In rounds, so that a short run kills each of them too.
    for (const victim of random.shuffled(VICTIMS)) {
      await delay(random.between(...gapMs), undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return kills
      const candidates = await processesOf(victim, platform, options.engine)
      const chosen = candidates[Math.floor(random.next() * candidates.length)]
      // Perhaps it is dead already, and not back yet.
      if (chosen === undefined || !(await signalProcess(chosen, 'SIGKILL'))) continue
      kills[victim] += 1
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
