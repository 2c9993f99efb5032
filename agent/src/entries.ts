/** Where the entry modules of our processes lie: beside this file, compiled or bundled alike. */
import { fileURLToPath } from 'node:url'

export type Entry =
  | 'agent-main'
  | 'keeper-main'
  | 'services/proxy/main'
  | 'services/dispatcher/main'
  | 'services/store/main'
  | 'checker/worker'

export function entryPath(entry: Entry): string {
  return fileURLToPath(new URL(`./${entry}.js`, import.meta.url))
}
