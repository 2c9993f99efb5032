/** A Docker engine for the tests: the running one, or one started for them and stopped afterwards. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { programOf } from './system-packages.ts'
import { until } from './until.ts'

const START_MS = 60_000

/**
 * @returns a function that stops it, if it was started here
 * @throws an error that says what is missing and how to get it
 */
export async function ensureDocker(): Promise<() => Promise<void>> {
  if (await answers()) return async () => undefined
  if (process.getuid?.() !== 0) {
    throw new Error('The tests need Docker, which is not running. Run: sudo systemctl start docker (or: sudo dockerd)')
  }
  const folder = await mkdtemp(join(tmpdir(), 'ryo-faas-dockerd-'))
  const log = await open(join(folder, 'log'), 'w')
  const daemon = spawn(programOf('docker.io')!, [], { stdio: ['ignore', log.fd, log.fd], detached: true })
  await log.close()
  const stop = async () => {
    await end(daemon)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await until(async () => daemon.exitCode !== null || (await answers()) || undefined, START_MS)
    if (daemon.exitCode !== null) throw new Error(`dockerd ended with ${daemon.exitCode}`)
    return stop
  } catch (error) {
    const said = (await readFile(join(folder, 'log'), 'utf8')).split('\n').slice(-20).join('\n')
    await stop()
    throw new Error(`The tests need Docker, and dockerd does not start here:\n${said}`, { cause: error })
  }
}

async function answers(): Promise<boolean> {
  return promisify(execFile)('docker', ['info']).then(
    () => true,
    () => false, // No client or no daemon: no difference.
  )
}

async function end(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return
  const ended = once(daemon, 'exit')
  daemon.kill('SIGTERM')
  await ended
}
