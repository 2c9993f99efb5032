/** Starts an agent's process for the command line. */
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { homePaths } from '../client/index.ts'
import { readIfPresent, spawnDetached, writeDurably } from '../host/index.ts'
import { agentArgs, entryPath } from './entries.ts'
import { fetchedNode, fetchNode, type NodeCache } from './fetched-node.ts'
import { findNode, isOld } from './node-binary.ts'
import { flagOf, MAY_INSTALL, OPTION_HELP, PlatformOptions, resolveOptions } from './options.ts'

interface Launch {
  flags: Record<string, unknown>
  home: string
  environment: NodeJS.ProcessEnv
  nodeCache: NodeCache
  report: (doing: string) => void
}

export async function launchAgent({ flags, home, environment, nodeCache, report }: Launch) {
  const options = resolveOptions(flags, environment, await savedOptions(home))
  if (options.node === 'auto' && isOld()) {
    await fetchNode(nodeCache, report).catch((error: unknown) => {
      report(`continuing on Node ${process.versions.node}: ${(error as Error).message}`)
    })
  }
  const command = await findNode(options.node, fetchedNode(nodeCache))
  await writeDurably(homePaths(home).options, JSON.stringify(options))
  const { child } = await spawnDetached({
    command,
    args: agentArgs(home),
    env: {
      // What Node compiles of the agent and the parts is kept for the next start; functions get another environment.
      NODE_COMPILE_CACHE: await compiledFolder(home, entryPath('main/agent')),
      ...environment,
      ...(flags['yes'] === true && { [MAY_INSTALL]: 'true' }),
    },
    logFile: homePaths(home).agentLog,
  })
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
