/** Where the entry modules of our processes are: next to this file, compiled or bundled alike. */
import { fileURLToPath } from 'node:url'

export type Entry =
  | 'agent-main'
  | 'keeper-main'
  | 'services/proxy/main'
  | 'services/dispatcher/main'
  | 'services/store/main'
  | 'checker/worker'

/** Where the files of the dashboard are: next to the running module. */
export function dashboardFolder(): string {
  return fileURLToPath(new URL('./dashboard/', import.meta.url))
}

export function entryPath(entry: Entry): string {
  return fileURLToPath(new URL(`./${entry}.js`, import.meta.url))
}
