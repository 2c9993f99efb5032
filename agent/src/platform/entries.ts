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

export function entryPath(entry: Entry): string {
  return fileURLToPath(new URL(`../${entry}.js`, import.meta.url))
}
