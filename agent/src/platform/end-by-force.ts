/**
 * Kills a platform whose agent cannot stop it, for the command line: every process by its recorded identity, then
 * whatever the engine runs. Data is kept.
 */
import { readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { homePaths, readAgentFile } from '../client/index.ts'
import { DockerService } from '../docker/index.ts'
import { chooseEngine, type Engine } from '../engines/index.ts'
import { setOptionsAside } from './home-data.ts'
import { ProcessIdentity, readIfPresent, signalProcess, waitForExit } from '../host/index.ts'
import { findNode } from './node-binary.ts'
import { PlatformOptions } from './options.ts'
import { StateStore } from '../deployments/state/index.ts'

const PartFile = z.object({ identity: ProcessIdentity })
const GRACE_MS = 3_000

/** @returns the names of what was killed */
export async function endByForce(home: string, environment: NodeJS.ProcessEnv): Promise<string[]> {
  const paths = homePaths(home)
  const saved = (await readIfPresent(paths.options)) ?? (await readIfPresent(paths.stoppedOptions))
  const parts = await partsOf(home)
  const ended: string[] = []
  const endParts = (chosen: typeof parts) =>
    Promise.all(
      chosen.map(async ({ name, identity, file }) => {
        if (await end(identity)) ended.push(name)
        await rm(file, { force: true })
      }),
    )
  // It would bring the agent back; without options it ends by itself, and nobody would be told.
  await endParts(parts.filter(({ name }) => name === 'keeper'))
  await setOptionsAside(home)
  const agent = (await readAgentFile(home))?.agent
  if (agent !== undefined && (await signalProcess(agent, 'SIGKILL'))) {
    await waitForExit(agent, GRACE_MS)
    ended.push('agent')
  }
  await endParts(parts.filter(({ name }) => name !== 'keeper'))
  if (saved !== undefined) await endFunctions(home, { options: PlatformOptions.parse(JSON.parse(saved)), environment })
  await rm(paths.agentFile, { force: true })
  return ended
}

/** Ends what an agent of this home left, except its keeper. @returns the names of what was ended */
export async function endParts(home: string): Promise<string[]> {
  const parts = (await partsOf(home)).filter(({ name }) => name !== 'keeper')
  const ended = await Promise.all(
    parts.map(async ({ name, identity, file }) => {
      const wasThere = await end(identity)
      await rm(file, { force: true })
      return wasThere ? [name] : []
    }),
  )
  return ended.flat()
}

async function end(identity: ProcessIdentity): Promise<boolean> {
  if (!(await signalProcess(identity, 'SIGTERM'))) return false
  if (await waitForExit(identity, GRACE_MS)) return true
  await signalProcess(identity, 'SIGKILL')
  await waitForExit(identity, GRACE_MS)
  return true
}

/** Parts as `ProcessPart` records them. */
async function partsOf(home: string): Promise<{ name: string; identity: ProcessIdentity; file: string }[]> {
  const folder = join(home, 'run')
  const names = (await readdir(folder).catch(() => [])).filter(name => name.endsWith('.json'))
  const found = await Promise.all(
    names.map(async name => {
      const file = join(folder, name)
      const parsed = PartFile.safeParse(parseJson((await readIfPresent(file)) ?? ''))
      return parsed.success ? [{ name: basename(name, '.json'), identity: parsed.data.identity, file }] : []
    }),
  )
  return found.flat()
}

async function endFunctions(
  home: string,
  { options, environment }: { options: PlatformOptions; environment: NodeJS.ProcessEnv },
): Promise<void> {
  const { current } = await StateStore.open(join(home, 'state.json'))
  const nodePath = await findNode(options.node)
  const docker = new DockerService(environment)
  const engine = await chooseEngine({ ...options, home, nodePath, environment, docker, runsOn: current.engine })
  try {
    if (!belongsToOthers(engine, options)) await engine.cleanUp(false)
  } finally {
    await engine.close()
  }
}

/** With several agents what runs on a swarm may be led by another one. */
export function belongsToOthers(
  { isShared = false }: Pick<Engine, 'isShared'>,
  { clusterKey }: Pick<PlatformOptions, 'clusterKey'>,
): boolean {
  return isShared && clusterKey !== 'none'
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // Not the file of a part.
  }
}
