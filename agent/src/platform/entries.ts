/**
 * Paths of our processes' entry modules: compiled or bundled, they are relative to the root, one folder above this
 * file.
 */
import { fileURLToPath } from 'node:url'

export type Entry =
  | 'main/agent'
  | 'main/keeper'
  | 'services/proxy/main'
  | 'services/dispatcher/main'
  | 'services/store/main'
  | 'languages/node/checker/checker-main'

/** The folder of the dashboard's files. */
export function dashboardFolder(): string {
  return fileURLToPath(new URL('../dashboard/', import.meta.url))
}

/**
 * Garbage is collected earlier than by default, which takes a little more time and a lot less memory: neither is in the
 * path of calls.
 */
const SMALL = (megabytes: number) => `--max-semi-space-size=${megabytes}`

/** Arguments of Node for an agent. */
export function agentArgs(home: string): string[] {
  return [SMALL(2), entryPath('main/agent'), home]
}

/** Arguments of Node for a keeper. */
export function keeperArgs(home: string): string[] {
  return [SMALL(1), entryPath('main/keeper'), home]
}

export function entryPath(entry: Entry): string {
  return fileURLToPath(new URL(`../${entry}.js`, import.meta.url))
}
