/**
 * Stops a process for a moment, with SIGSTOP. Invariant: it goes on when we say so, and also when we are killed: a shell
 * does both, and hears of our end as the end of its standard input.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { isStopped } from './process-identity.ts'
import type { ProcessIdentity } from './saved-identity.ts'

/** Lets what stands still go on. */
export type Resume = () => Promise<void>

const STOP_MS = 5_000
const SCRIPT = 'kill -STOP "$1" || exit 1; read -r _; kill -CONT "$1"'

/** @throws an error if it does not stop, or is gone */
export async function pauseProcess(identity: ProcessIdentity): Promise<Resume> {
  // In a session of its own: what ends our group does not end it before it has done its work.
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'sh', String(identity.pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const ended = once(shell, 'exit')
  ended.catch(() => undefined)
  // It may be gone already.
  shell.stdin.on('error', () => undefined)
  const resume = async () => {
    shell.stdin.end()
    await ended
  }
  const deadline = performance.now() + STOP_MS
  while (!(await isStopped(identity))) {
    if (shell.exitCode !== null || performance.now() > deadline) {
      await resume()
      throw new Error(`process ${identity.pid} could not be stopped for a moment`)
    }
    await delay(1)
  }
  return resume
}
