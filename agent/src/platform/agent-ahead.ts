/**
 * Starts the agent's process before the command line has loaded what `startFaas` is made of: both load at the same time. It
 * begins when the options are known, and ends by itself if they never are. No schema is loaded for it.
 */
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { homePaths } from '../client/index.ts'
import { AHEAD, spawnDetached, type DetachedProcess } from '../host/index.ts'
import { agentArgs, entryPath } from './entries.ts'
import { findNode, isOld } from './node-binary.ts'

export interface AgentAhead {
  /** The Node that it runs on. */
  command: string
  process: DetachedProcess
}

/** @returns undefined where it is not worth it: the first start of a home, a Node to fetch first, an agent that runs. */
export async function startAgentAhead(home: string, environment: NodeJS.ProcessEnv): Promise<AgentAhead | undefined> {
  const { agentFile, agentLog } = homePaths(home)
  const [wasStarted, isRunning] = await Promise.all([agentLog, agentFile].map(isThere))
  if (isOld() || !wasStarted || isRunning) return undefined
  try {
    const command = await findNode('auto')
    const env = await agentEnvironment(home, environment)
    const args = [...agentArgs(home), AHEAD]
    return { command, process: await spawnDetached({ command, args, env, logFile: agentLog, stdin: 'pipe' }) }
  } catch {
    return undefined // Then it is started as usual, and whatever is wrong is said there.
  }
}

/** What Node compiles of the agent and the parts is kept for the next start; functions get another environment. */
export async function agentEnvironment(home: string, environment: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv> {
  return { NODE_COMPILE_CACHE: await compiledFolder(home, entryPath('main/agent')), ...environment }
}

/** For what Node compiles of one build, whose entry this is; that of earlier builds is removed. */
export async function compiledFolder(home: string, entry: string): Promise<string> {
  const folder = join(home, 'cache', 'compiled')
  const own = (await stat(entry)).mtimeMs.toString(36)
  const names = await readdir(folder).catch(() => [])
  const others = names.filter(name => name !== own)
  // A process of that build may still write there: the next start removes it.
  await Promise.allSettled(others.map(name => rm(join(folder, name), { recursive: true, force: true })))
  return join(folder, own)
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
