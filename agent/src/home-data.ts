/** What lies in a home. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { homePaths } from './client/index.ts'
import type { PartView } from './contract/index.ts'
import { boundFile, identifyProcess, writeDurably } from './host/index.ts'

const OURS = [
  'state.json',
  'deployments',
  'nats',
  'store',
  'traces',
  'traces.damaged',
  'secrets',
  'cache',
  'logs',
  'run',
  'token',
  'dispatch-token',
  'callback-secret',
]

/** Everything of ours in the home, and nothing that is not. */
export async function removeData(home: string): Promise<void> {
  await Promise.all(OURS.map(name => rm(join(home, name), { recursive: true, force: true })))
}

const PART_LOG_BYTES = 10 * 1024 * 1024

/** Of the agent and the parts. */
export async function boundLogs(home: string, parts: readonly PartView[]): Promise<void> {
  const names = ['agent', ...parts.map(({ name }) => name)]
  await Promise.all(names.map(name => boundFile(join(home, 'logs', `${name}.log`), PART_LOG_BYTES)))
}

/** Where this process is found by those who want to talk to it. */
export async function announceAgent(
  home: string,
  { port, ...about }: { port: number; project: string; version: string },
): Promise<void> {
  const self = await identifyProcess(process.pid)
  const file = { url: `http://127.0.0.1:${port}`, ...self!, ...about }
  await writeDurably(homePaths(home).agentFile, JSON.stringify(file))
}
