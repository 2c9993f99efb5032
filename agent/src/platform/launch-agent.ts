/** Starts an agent's process for the command line. */
import { homePaths } from '../client/index.ts'
import { readIfPresent, spawnDetached, writeDurably } from '../host/index.ts'
import { agentCommand, launched } from './agent-command.ts'
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
  const node = await findNode(options.node, fetchedNode(nodeCache))
  await writeDurably(homePaths(home).options, JSON.stringify(options))
  const command = await agentCommand(home, { node, environment })
  const { child } = await spawnDetached({
    ...command,
    env: { ...command.env, ...(flags['yes'] === true && { [MAY_INSTALL]: 'true' }) },
  })
  return launched(child)
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
