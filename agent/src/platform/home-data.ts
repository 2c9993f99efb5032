/** What lies in a home. */
import { chmod, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { homePaths } from '../client/index.ts'
import { identifyProcess, writeDurably } from '../host/index.ts'

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
  'functions-key',
  'callback-secret',
]

/** As `writeAtomically` names them. */
const HALF_WRITTEN =
  /^(?:state\.json|agent\.json|token|dispatch-token|functions-key|callback-secret)\.\d+\.[0-9a-f]{8}\.tmp$/

/** Everything of ours in the home, and nothing that is not. */
export async function removeData(home: string): Promise<void> {
  const found = await readdir(home).catch(() => [])
  // Left by a process that was killed while it wrote one.
  const halfWritten = found.filter(name => HALF_WRITTEN.test(name))
  await Promise.all([...OURS, ...halfWritten].map(name => rm(join(home, name), { recursive: true, force: true })))
}

/** One that was there before us may be open to others; bundles and logs lie in it. */
export async function closeHome(home: string): Promise<void> {
  await chmod(home, 0o700)
}

/** The keeper ends when the options are gone; what is left behind is found only with them. */
export async function setOptionsAside(home: string): Promise<void> {
  const { options, stoppedOptions } = homePaths(home)
  await rename(options, stoppedOptions).catch(() => rm(options, { force: true }))
}

/** Where this process is found by those who want to talk to it. */
export async function announceAgent(
  home: string,
  { port, ...about }: { port: number; project: string; version: string; build?: string },
): Promise<void> {
  const self = await identifyProcess(process.pid)
  const file = { url: `http://127.0.0.1:${port}`, ...self!, ...about }
  await writeDurably(homePaths(home).agentFile, JSON.stringify(file))
}
