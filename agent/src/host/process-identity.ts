/**
 * Identifies a process by pid and start time: pids are reused, so after a restart a pid alone may name a stranger.
 */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { ProcessIdentity } from './saved-identity.ts'

/** `undefined` if no such process is running (a zombie is not). */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  const startedAt = process.platform === 'linux' ? await startTicks(pid) : await startDate(pid)
  return startedAt === undefined ? undefined : { pid, startedAt }
}

export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await identifyProcess(identity.pid))?.startedAt === identity.startedAt
}

/** Sends a signal, but only to that very process. Returns whether it was running. */
export async function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<boolean> {
  return (await isAlive(identity)) && signalNow(identity.pid, signal)
}

/** Like `signalProcess`, for a process of `spawnDetached` together with all that it started. */
export async function signalGroup(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<boolean> {
  const { pid } = identity
  return (await isAlive(identity)) && signalNow(process.platform === 'win32' ? pid : -pid, signal)
}

/** Ends what a process of `spawnDetached` that has just exited left behind. */
export function endGroup(pid: number): void {
  if (process.platform !== 'win32') signalNow(-pid, 'SIGKILL')
}

function signalNow(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

/** Resolves once the process is gone; polls, because it need not be our child. */
export async function waitForExit(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (await isAlive(identity)) {
    if (performance.now() > deadline) return false
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  return true
}

/** Whether it is stopped, as by SIGSTOP; also false if it is gone. */
export async function isStopped({ pid }: ProcessIdentity): Promise<boolean> {
  const state = process.platform === 'linux' ? (await statFields(pid))?.[0] : await ps(pid, 'state')
  return state?.startsWith('T') === true
}

/** Resident memory in bytes, or `undefined` if the process is gone. */
export async function residentBytes(pid: number): Promise<number | undefined> {
  if (process.platform === 'linux') {
    const statm = await readFile(`/proc/${pid}/statm`, 'utf8').catch(() => undefined)
    return statm === undefined ? undefined : Number(statm.split(' ')[1]) * 4096
  }
  const kilobytes = await ps(pid, 'rss')
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
}

/** Start time in clock ticks since boot. */
async function startTicks(pid: number): Promise<string | undefined> {
  const fields = await statFields(pid)
  return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
}

/** Of /proc/<pid>/stat (proc(5)) from the third on, the state; `undefined` if there is no such process. */
async function statFields(pid: number): Promise<string[] | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  // The command name (field 2) may hold spaces and parentheses, so count from the last parenthesis.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
}

async function startDate(pid: number): Promise<string | undefined> {
  if (process.platform !== 'win32') return ps(pid, 'lstart')
  try {
    process.kill(pid, 0)
    return 'unknown'
  } catch {
    return undefined // ESRCH: gone.
  }
}

async function ps(pid: number, column: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', `${column}=`, '-p', String(pid)])
    return stdout.trim() || undefined
  } catch {
    return undefined // ps exits 1 when the process is gone.
  }
}
