import { setTimeout as delay } from 'node:timers/promises'

const AGENT_END_MS = 10_000

/** The last answer comes a moment before the agent's own end; who starts again at once must not meet the old one. */
export async function untilGone(pid: number): Promise<void> {
  const deadline = Date.now() + AGENT_END_MS
  while (Date.now() < deadline) {
    try {
      process.kill(pid, 0)
    } catch {
      return // ESRCH: gone.
    }
    await delay(10)
  }
}
