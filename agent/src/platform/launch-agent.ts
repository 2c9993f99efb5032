/** Starts an agent's process for the command line. */
import { homePaths } from '../client/index.ts'
import { begin, isAlive, readIfPresent, spawnDetached, writeDurably, type DetachedProcess } from '../host/index.ts'
import { agentEnvironment, type AgentAhead } from './agent-ahead.ts'
import { agentArgs } from './entries.ts'
import { fetchedNode, fetchNode, type NodeCache } from './fetched-node.ts'
import { findNode, isOld } from './node-binary.ts'
import { flagOf, MAY_INSTALL, OPTION_HELP, PlatformOptions, resolveOptions } from './options.ts'

interface Launch {
  flags: Record<string, unknown>
  home: string
  environment: NodeJS.ProcessEnv
  nodeCache: NodeCache
  /** A process that waits to become the agent. */
  ahead: AgentAhead | undefined
  report: (doing: string) => void
}

export async function launchAgent({ flags, home, environment, nodeCache, ahead, report }: Launch) {
  const options = resolveOptions(flags, environment, await savedOptions(home))
  if (options.node === 'auto' && isOld()) {
    await fetchNode(nodeCache, report).catch((error: unknown) => {
      report(`continuing on Node ${process.versions.node}: ${(error as Error).message}`)
    })
  }
  const command = await findNode(options.node, fetchedNode(nodeCache))
  await writeDurably(homePaths(home).options, JSON.stringify(options))
  const isUsual = ahead?.command === command && flags['yes'] !== true
  const { child } =
    (isUsual && (await begun(ahead))) ||
    (await spawnDetached({
      command,
      args: agentArgs(home),
      env: {
        ...(await agentEnvironment(home, environment)),
        ...(flags['yes'] === true && { [MAY_INSTALL]: 'true' }),
      },
      logFile: homePaths(home).agentLog,
    }))
  return {
    state: () => {
      if (child.exitCode === null && child.signalCode === null) return 'lives' as const
      return child.exitCode === 0 ? ('gave-way' as const) : ('failed' as const)
    },
  }
}

/** @returns undefined if it has ended, or has begun before */
async function begun({ process }: AgentAhead): Promise<DetachedProcess | undefined> {
  if (process.child.stdin?.writable !== true || !(await isAlive(process.identity))) return undefined
  begin(process)
  return process
}

/** Options of the platform of this home, as it was started; none if it was not. */
export async function savedOptions(home: string): Promise<Record<string, unknown>> {
  return JSON.parse((await readIfPresent(homePaths(home).options)) ?? '{}') as Record<string, unknown>
}

/** Which of these flags differ from the options that the platform of this home runs with. */
export async function differingFlags(home: string, flags: Record<string, unknown>): Promise<string[]> {
  const saved = await readIfPresent(homePaths(home).options)
  if (saved === undefined) return []
  const running = PlatformOptions.parse(JSON.parse(saved))
  const wanted = resolveOptions(flags, {}, running)
  const names = Object.keys(OPTION_HELP) as (keyof PlatformOptions)[]
  return names.filter(name => wanted[name] !== running[name]).map(flagOf)
}
