/**
 * The keeper brings the agent back when it dies, as the agent does for the keeper and every other part: only if both
 * die in the same moment does nobody notice, and then the next `startFaas` finds everything else running. It knows
 * nothing but a command and two files, so there is little in it to go wrong.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { homePaths, readAgentFile } from './client/index.ts'
import { isAlive, readIfPresent, spawnDetached } from './host/index.ts'
import { Backoff } from './supervisor/backoff.ts'

const POLL_MS = 250

export interface KeeperOptions {
  home: string
  command: string
  args: string[]
  environment: NodeJS.ProcessEnv
  signal: AbortSignal
}

/** Resolves when the platform was stopped (its options file is gone) or `signal` aborts. */
export async function keepAgent({ home, command, args, environment, signal }: KeeperOptions): Promise<void> {
  const paths = homePaths(home)
  const backoff = new Backoff({ firstMs: 200, maxMs: 10_000, forgivingMs: 2_000, healthyMs: 10_000 })
  while (!signal.aborted) {
    await delay(POLL_MS, undefined, { signal }).catch(() => undefined)
    if (signal.aborted || (await readIfPresent(paths.options)) === undefined) return
    const found = await readAgentFile(home)
    if (found && (await isAlive({ pid: found.agent.pid, startedAt: found.agent.startedAt }))) continue
    backoff.died(performance.now())
    await delay(Math.max(0, backoff.nextStart(performance.now()) - performance.now()), undefined, { signal }).catch(
      () => undefined,
    )
    backoff.started(performance.now())
    const { identity, exited } = await spawnDetached({ command, args, env: environment, logFile: paths.agentLog })
    // Until it says who it is, or gives up (another agent may hold the lock), do not start a further one.
    for (;;) {
      const now = await readAgentFile(home)
      if (now?.agent.pid === identity.pid) break
      const over = await Promise.race([exited.then(() => true), delay(POLL_MS, false, { signal }).catch(() => true)])
      if (over) break
    }
  }
}
