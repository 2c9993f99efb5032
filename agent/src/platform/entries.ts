/** Where the entry modules of our processes are: compiled or bundled, each lies one folder below the root, like this file. */
import { fileURLToPath } from 'node:url'

export type Entry =
  | 'main/agent'
  | 'main/keeper'
  | 'services/proxy/main'
  | 'services/dispatcher/main'
  | 'services/store/main'
  | 'languages/node/checker/checker-main'

/** Where the files of the dashboard are: next to the running module. */
export function dashboardFolder(): string {
  return fileURLToPath(new URL('../dashboard/', import.meta.url))
}

export function entryPath(entry: Entry): string {
  return fileURLToPath(new URL(`../${entry}.js`, import.meta.url))
}
