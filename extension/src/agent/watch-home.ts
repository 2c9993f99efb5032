/**
 * Reports that an agent announced itself, or left, and that the list of servers changed.
 *
 * By `stat` once a second, not by the editor's watchers or the system's: they miss a file that is created together with
 * its folder, like that of the first platform in a home. Everything else is reported by the platform's own events.
 */
import { unwatchFile, watchFile } from 'node:fs'
import { homePaths } from 'ryo-faas/client'

const LOOK_MS = 1_000

/** @param home absolute; it need not be there yet */
export function watchHome(home: string, onChange: () => void, lookMs = LOOK_MS): { dispose(): void } {
  const { agentFile, servers } = homePaths(home)
  const listener = () => onChange()
  for (const file of [agentFile, servers]) watchFile(file, { interval: lookMs, persistent: false }, listener)
  return { dispose: () => [agentFile, servers].forEach(file => unwatchFile(file, listener)) }
}
