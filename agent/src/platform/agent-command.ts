/** What an agent's process is started with, for whoever starts one. Loads no schemas. */
import type { ChildProcess } from 'node:child_process'
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { homePaths } from '../client/index.ts'
import type { DetachedCommand } from '../host/index.ts'
import { agentArgs, entryPath } from './entries.ts'

/** @param node path of the Node that it runs on */
export async function agentCommand(
  home: string,
  { node, environment }: { node: string; environment: NodeJS.ProcessEnv },
): Promise<DetachedCommand> {
  return {
    command: node,
    args: agentArgs(home),
    // What Node compiles of the agent and the parts is kept for the next start; functions get another environment.
    env: { NODE_COMPILE_CACHE: await compiledFolder(home, entryPath('main/agent')), ...environment },
    logFile: homePaths(home).agentLog,
  }
}

/** How an agent's process is doing that we have started. */
export function launched(child: ChildProcess) {
  return {
    state: () => {
      if (child.exitCode === null && child.signalCode === null) return 'lives' as const
      return child.exitCode === 0 ? ('gave-way' as const) : ('failed' as const)
    },
  }
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
