/** Processes that outlive the one that started them: own session, output to a file, no pipe that could break. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdir, open } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { dirname } from 'node:path'
import { RyoFaasError } from '../contract/index.ts'
import { identifyProcess } from './process-identity.ts'
import type { ProcessIdentity } from './saved-identity.ts'

export interface DetachedCommand {
  command: string
  args: string[]
  env: NodeJS.ProcessEnv
  cwd?: string
  /** Standard output and error are appended here. */
  logFile: string
  /** Default: empty. A pipe ends with us. */
  stdin?: 'pipe'
  /** Descriptors that it has from 3 on. */
  sockets?: readonly number[]
}

export interface DetachedProcess {
  identity: ProcessIdentity
  child: ChildProcess
  /** Resolves when it exits, even if that was before anyone listened; works only while we are its parent. */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
}

/** @throws RyoFaasError PART_FAILED if the command cannot be started or dies before it can be identified. */
export async function spawnDetached(options: DetachedCommand): Promise<DetachedProcess> {
  await mkdir(dirname(options.logFile), { recursive: true, mode: 0o700 })
  const log = await open(options.logFile, 'a', 0o600)
  try {
    const child = spawn(options.command, options.args, {
      detached: true,
      env: options.env,
      stdio: [options.stdin ?? 'ignore', log.fd, log.fd, ...(options.sockets ?? [])],
      ...(options.cwd !== undefined && { cwd: options.cwd }),
    })
    const exited = new Promise<Awaited<DetachedProcess['exited']>>(resolve =>
      child.once('exit', (code, signal) => resolve({ code, signal })),
    )
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject))
    child.unref()
    ;(child.stdin as Socket | null)?.unref()
    const pid = child.pid!
    const identity = (await identifyProcess(pid)) ?? { pid, startedAt: 'gone' }
    return { identity, child, exited }
  } catch (error) {
    throw new RyoFaasError('PART_FAILED', `cannot start ${options.command}: ${(error as Error).message}`, {
      cause: error,
    })
  } finally {
    await log.close()
  }
}
