/** The files of a home. */
import { chmod, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { homePaths } from '../client/index.ts'
import { identifyProcess, writeDurably } from '../host/index.ts'

/** What a platform keeps when it stops, and what a restore puts in its place. */
export const DATA: readonly string[] = [
  'state.json',
  'acme',
  'deployments',
  'packages',
  'nats',
  'store',
  'traces',
  'traces.damaged',
  'secrets',
  'callback-secret',
  'proxy-key',
  'audit.jsonl',
  'tokens.json',
]
/** Brought by the user, and part of a backup. */
export const CERTIFICATES = 'certificates'
/** Of a restore that was killed. */
export const RESTORING = 'restoring'

const OURS = [...DATA, RESTORING, 'cache', 'logs', 'run', 'token', 'dispatch-token', 'functions-key']

/** What a restore moved aside, at this time. */
export function beforeRestore(time: Date): string {
  return `before-restore-${time.toISOString().replaceAll(/[:.]/g, '-')}`
}
const MOVED_ASIDE = /^before-restore-[\dTZ-]+$/

/** Temporary files, as `writeAtomically` names them. */
const HALF_WRITTEN =
  /^(?:state\.json|agent\.json|token|dispatch-token|functions-key|callback-secret|proxy-key|tokens\.json)\.\d+\.[0-9a-f]{8}\.tmp$/

/** Folder of the store's data. */
export function storeFolder(home: string): string {
  return join(home, 'store')
}

/** Removes everything of ours in the home, and nothing else. */
export async function removeData(home: string): Promise<void> {
  const found = await readdir(home).catch(() => [])
  // Left by processes that were killed while writing, and by restores.
  const halfWritten = found.filter(name => HALF_WRITTEN.test(name) || MOVED_ASIDE.test(name))
  await Promise.all([...OURS, ...halfWritten].map(name => rm(join(home, name), { recursive: true, force: true })))
}

/** A folder that existed before may be readable by others, and it holds bundles and logs. */
export async function closeHome(home: string): Promise<void> {
  await chmod(home, 0o700)
}

/** The keeper exits when the options are gone, but removing what is left later needs them. */
export async function setOptionsAside(home: string): Promise<void> {
  const { options, stoppedOptions } = homePaths(home)
  await rename(options, stoppedOptions).catch(() => rm(options, { force: true }))
}

/** Writes where clients find this process. */
export async function announceAgent(
  home: string,
  { port, ...about }: { port: number; project: string; version: string; build?: string },
): Promise<void> {
  const self = await identifyProcess(process.pid)
  const file = { url: `http://127.0.0.1:${port}`, ...self!, ...about }
  await writeDurably(homePaths(home).agentFile, JSON.stringify(file))
}
