/**
 * Tells that an agent announced itself, or left.
 *
 * By `stat` once a second, not by the editor's watchers nor the system's: they lose a file that comes together with its
 * folder, which is how the first platform of a home comes. All else that happens to a platform is told by its events.
 */
import { unwatchFile, watchFile } from 'node:fs'
import { homePaths } from 'ryo-faas/client'

const LOOK_MS = 1_000

/** @param home absolute; it need not be there yet */
export function watchAgentFile(home: string, onChange: () => void, lookMs = LOOK_MS): { dispose(): void } {
  const { agentFile } = homePaths(home)
  const listener = () => onChange()
  watchFile(agentFile, { interval: lookMs, persistent: false }, listener)
  return { dispose: () => unwatchFile(agentFile, listener) }
}
