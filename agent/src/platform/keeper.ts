/**
 * The keeper restarts the agent when it dies, as the agent does for the keeper and every other part. Only if both die
 * at the same moment does nobody notice; the next `startFaas` then finds everything else running. An agent that runs
 * but does not respond is killed first. The keeper knows one command and three files, so little in it can go wrong; it
 * loads no schemas, so that it stays as small as a Node that does nothing.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { homePaths, readAgentRecord } from '../client/index.ts'
import { HangWatch } from './hang-watch.ts'
import { isAlive, readIfPresent, signalProcess, spawnDetached, waitForExit } from '../host/index.ts'
import { Backoff } from '../supervisor/index.ts'

const POLL_MS = 250
const HUNG_AFTER_MS = 30_000
const END_MS = 5_000

export interface KeeperOptions {
  home: string
  command: string
  args: string[]
  environment: NodeJS.ProcessEnv
  signal: AbortSignal
  /** How long an agent may fail to respond. */
  hungAfterMs?: number
}

/** Resolves when the platform was stopped (its options file is gone) or `signal` aborts. */
export async function keepAgent(options: KeeperOptions): Promise<void> {
  const { home, command, args, environment, signal, hungAfterMs = HUNG_AFTER_MS } = options
  const paths = homePaths(home)
  const backoff = new Backoff({ firstMs: 200, maxMs: 10_000, forgivingMs: 2_000, healthyMs: 10_000 })
  const watch = new HangWatch({ hungAfterMs, askEveryMs: hungAfterMs / 6 })
  while (!signal.aborted) {
    await delay(POLL_MS, undefined, { signal }).catch(() => undefined)
    if (signal.aborted || (await readIfPresent(paths.options)) === undefined) return
    const found = await recordOf(home)
    if (found && (await isAlive(found.agent))) {
      if (!watch.isHung(found)) continue
      // A hung agent could not handle a gentler signal.
      await signalProcess(found.agent, 'SIGKILL')
      await waitForExit(found.agent, END_MS)
    }
    backoff.died(performance.now())
    await delay(Math.max(0, backoff.nextStart(performance.now()) - performance.now()), undefined, { signal }).catch(
      () => undefined,
    )
    backoff.started(performance.now())
    const { identity, exited } = await spawnDetached({ command, args, env: environment, logFile: paths.agentLog })
    // Start no other one until it announces itself or gives up (another agent may hold the lock).
    for (;;) {
      const now = await recordOf(home)
      if (now?.agent.pid === identity.pid) break
      const over = await Promise.race([exited.then(() => true), delay(POLL_MS, false, { signal }).catch(() => true)])
      if (over) break
    }
  }
}

/** `undefined` if no agent announced itself, or what it wrote is not readable: then one is to be started. */
function recordOf(home: string) {
  return readAgentRecord(home).catch(() => undefined)
}
