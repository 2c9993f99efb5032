/**
 * Starts an agent with flags that nobody has looked at: it knows what they mean as soon as it has loaded, which it would
 * have to anyway, and so the command line does not. What is not as usual it refuses, and does nothing. Loads no schemas.
 */
import { agentCommand, launched } from './agent-command.ts'
import { FLAGS_AT_STDIN, REFUSED } from './given-flags.ts'
import { findNode, isOld } from './node-binary.ts'
import { spawnDetached } from '../host/index.ts'
import type { Socket } from 'node:net'

export type DirectLaunch = (flags: Record<string, string>) => Promise<DirectlyLaunched>

export interface DirectlyLaunched extends ReturnType<typeof launched> {
  /** It is to be started as usual, which also says what is wrong. */
  wasRefused(): boolean
}

/** @returns `undefined` if it is not clear on which Node: a newer one than this may have been fetched, or is to be */
export async function directLaunch(home: string, environment: NodeJS.ProcessEnv): Promise<DirectLaunch | undefined> {
  const node = await findNode('auto')
  if (node === process.execPath && isOld()) return undefined
  return async flags => {
    const command = await agentCommand(home, { node, environment })
    const { child } = await spawnDetached({ ...command, args: [...command.args, FLAGS_AT_STDIN], stdin: 'pipe' })
    const stdin = child.stdin as Socket
    // If it is gone, its state says so.
    stdin.on('error', () => undefined).end(JSON.stringify(flags))
    return { ...launched(child), wasRefused: () => child.exitCode === REFUSED }
  }
}
